import type { RecoveryTime } from '../domain/drill.ts';

type Part = 'prepare' | 'files' | 'databases' | 'services';

/** How long a recovery takes: the restore with the proofs that a restore makes too, not the reading before it. */
export class DrillClock {
  readonly startedAt: Date;
  readonly #began = performance.now();
  readonly #parts = new Map<Part, number>();
  #isRestored = false;

  constructor(startedAt: Date) {
    this.startedAt = startedAt;
  }

  get seconds(): number {
    return rounded((performance.now() - this.#began) / 1000);
  }

  /** Null until everything was restored. */
  get recovery(): RecoveryTime | null {
    if (!this.#isRestored) return null;
    const of = (part: Part): number => rounded(this.#parts.get(part) ?? 0);
    const seconds = rounded([...this.#parts.values()].reduce((sum, one) => sum + one, 0));
    return {
      seconds,
      prepareSeconds: of('prepare'),
      filesSeconds: of('files'),
      databasesSeconds: of('databases'),
      servicesSeconds: this.#parts.has('services') ? of('services') : null,
    };
  }

  async measure<T>(part: Part, work: () => Promise<T>): Promise<T> {
    const began = performance.now();
    try {
      return await work();
    } finally {
      this.#parts.set(part, (this.#parts.get(part) ?? 0) + (performance.now() - began) / 1000);
    }
  }

  restored(): void {
    this.#isRestored = true;
  }
}

function rounded(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
