import type { QuiesceMode } from '../domain/plan.ts';
import type { Secret } from '../domain/secret.ts';

/** Where a value came from. `where` is the flag, variable, label, `file:line:column`, or `default`. */
export interface Origin {
  readonly kind: 'flag' | 'environment' | 'label' | 'x-mcads' | 'file' | 'default';
  readonly where: string;
}

export const DEFAULT_ORIGIN: Origin = { kind: 'default', where: 'default' };

/** One thing wrong with the settings, located. */
export interface Problem {
  /** `file:line:column`, a variable, a flag or a label. */
  readonly where: string;
  readonly setting: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** How many snapshots to keep; null: this rule keeps none. Rules add up. */
export interface KeepSettings {
  readonly last: number | null;
  readonly hourly: number | null;
  readonly daily: number | null;
  readonly weekly: number | null;
  readonly monthly: number | null;
  readonly yearly: number | null;
  readonly withinMs: number | null;
}

export const NO_KEEP: KeepSettings = { last: null, hourly: null, daily: null, weekly: null, monthly: null, yearly: null, withinMs: null };

/** Settings of a whole run. Paths are absolute. */
export interface GlobalSettings {
  readonly project: string | null;
  readonly repository: string | null;
  readonly strategy: 'auto' | 'docker' | 'host';
  readonly context: string | null;
  readonly keep: KeepSettings;
  /** Globs of further files for the `config` component, relative to the project directory. */
  readonly files: readonly string[];
  /** Globs left out of every volume and bind. */
  readonly exclude: readonly string[];
  readonly images: 'none' | 'local';
  /** Every backup also writes a classic archive. */
  readonly archive: boolean;
  readonly transport: 'auto' | 'pipe' | 'attach' | 'archive';
  readonly helperImage: string | null;
  /** Components captured at a time; null: chosen from the machine. */
  readonly jobs: number | null;
  /** Bytes that all components together read in a second; null: as fast as it goes. */
  readonly limitRate: number | null;
  /** Share of helper containers in contended processors and disks, 10 to 1000 where everybody else has 500; null: the engine's default. */
  readonly helperCpuWeight: number | null;
  readonly helperIoWeight: number | null;
  /** For every component that says nothing itself. */
  readonly quiesce: QuiesceMode | null;
  /** How long `rollback` can bring back what a restore replaced; 0: not at all. */
  readonly keepOldMs: number;
  readonly lockTimeoutMs: number;
  /** `status` calls a project overdue whose newest complete snapshot is older. */
  readonly maxAgeMs: number;
  /** Likewise unproven, by its last drill; null: that is not asked for. */
  readonly maxProofAgeMs: number | null;
  /** Whom to tell how a run goes; the address holds a token. */
  readonly ping: Secret | null;
  readonly logDirectory: string | null;
  readonly progress: 'auto' | 'tty' | 'plain' | 'quiet';
  readonly strict: boolean;
}

export const DEFAULT_SETTINGS: GlobalSettings = {
  project: null,
  repository: null,
  strategy: 'auto',
  context: null,
  keep: { ...NO_KEEP, last: 10 },
  files: [],
  exclude: [],
  images: 'none',
  archive: false,
  transport: 'auto',
  helperImage: null,
  jobs: null,
  limitRate: null,
  helperCpuWeight: null,
  helperIoWeight: null,
  quiesce: null,
  keepOldMs: 7 * 86_400_000,
  lockTimeoutMs: 60_000,
  maxAgeMs: 26 * 3_600_000,
  maxProofAgeMs: null,
  ping: null,
  logDirectory: null,
  progress: 'auto',
  strict: false,
};
