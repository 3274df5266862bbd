import type { DrillCheck, DrillLevel } from '../domain/drill.ts';
import type { EventSink } from '../domain/events.ts';
import type { Finding } from '../domain/finding.ts';
import { McadsError, stopsRun } from '../errors.ts';

/** What was looked at so far, and what is being looked at now. */
export class DrillLog {
  readonly checks: DrillCheck[] = [];
  readonly findings: Finding[] = [];
  readonly #events: EventSink;
  readonly #signal: AbortSignal;
  #doing: Pick<DrillCheck, 'level' | 'name' | 'subject'> = { level: 0, name: 'begin', subject: 'drill' };

  constructor(events: EventSink, signal: AbortSignal) {
    this.#events = events;
    this.#signal = signal;
  }

  get failed(): boolean {
    return this.checks.some(({ ok }) => !ok);
  }

  begin(level: DrillLevel, name: string, subject: string): void {
    this.#doing = { level, name, subject };
  }

  add(check: DrillCheck): void {
    this.checks.push(check);
    const verdict = check.ok ? 'ok' : 'FAILED';
    const message = `L${check.level} ${check.name} of ${check.subject}: ${verdict}, ${check.detail}`;
    this.#events({ type: 'log', level: check.ok ? 'info' : 'warn', message });
  }

  /**
   * Does the work as one check; it resolves with the detail for people. An error about this one thing becomes a failed check: at level 0 for
   * damaged bytes and level 3 for a difference, wherever they were found. What stops the whole run is thrown.
   */
  async attempt(level: DrillLevel, name: string, subject: string, work: () => Promise<string>): Promise<boolean> {
    this.begin(level, name, subject);
    try {
      this.add({ level, name, subject, ok: true, detail: await work() });
      return true;
    } catch (error) {
      this.#signal.throwIfAborted();
      if (!(error instanceof McadsError) || error.code === 'unexpected' || stopsRun(error)) throw error;
      const at = error.code === 'damaged' ? 0 : error.code === 'proof-failed' && level < 3 ? 3 : level;
      this.add({ level: at, name, subject, ok: false, detail: error.message });
      return false;
    }
  }

  /** The time was over in the middle of something. */
  interrupted(reason: string): void {
    this.add({ ...this.#doing, ok: false, detail: `${reason} while this was checked` });
  }

  warn(finding: Finding): void {
    this.findings.push(finding);
    this.#events({ type: 'finding', finding });
  }
}
