import { McadsError } from '../errors.ts';
import type { ComponentId } from './component.ts';
import type { EngineInfo } from './engine-model.ts';
import type { Finding } from './finding.ts';
import type { SnapshotSummary } from './snapshot-summary.ts';

/** What proves a backup of a host instead of a drill. */
export const PROOF_OF_HOST =
  '`verify --read-data` reads every byte of it, `extract latest --target DIR` unpacks it beside the application, a `restore` on another machine proves rows and files';

/** For what was captured on a host: there is nothing to make an isolated copy from. */
export function notDrillable(name: string): McadsError {
  return new McadsError('usage', `${name} was made without Docker, and a drill restores into containers: it cannot be drilled`, {
    hint: PROOF_OF_HOST,
  });
}

export const DRILL_LEVELS = [0, 1, 2, 3, 4, 5, 6] as const;

/** How much a drill proves. Each level takes the ones below for granted. */
export type DrillLevel = (typeof DRILL_LEVELS)[number];

interface LevelWords {
  readonly name: string;
  readonly proves: string;
}

const WORDS: Readonly<Record<DrillLevel, LevelWords>> = {
  0: { name: 'stored', proves: 'every stored byte was read again and has its checksum, and no component is of an unlikely size' },
  1: { name: 'readable', proves: 'every dump was read in full and every archive listed against its catalogue' },
  2: { name: 'restored', proves: 'roles, databases and files were restored without an error on the recorded images' },
  3: { name: 'equal', proves: 'rows, objects, owners, grants and every file are what was recorded at the source' },
  4: { name: 'fixpoint', proves: 'the restored databases dump to the same again, and live files did not change in secret' },
  5: { name: 'asserted', proves: "the project's own assertions hold in the copy" },
  6: { name: 'running', proves: 'the services start in the copy and become healthy' },
};

export function wordsOfLevel(level: DrillLevel): LevelWords {
  return WORDS[level];
}

/** One thing that was looked at. `detail` names the culprit where it is not ok. */
export interface DrillCheck {
  readonly level: DrillLevel;
  readonly name: string;
  /** Component id, service or assertion. */
  readonly subject: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** `n/a`: nothing of the project can be checked at this level. `not reached`: something below failed, or it was not asked for. */
export type LevelOutcome = 'passed' | 'failed' | 'n/a' | 'not reached';

export interface LevelResult {
  readonly level: DrillLevel;
  readonly name: string;
  readonly proves: string;
  readonly outcome: LevelOutcome;
}

/** Every level with what came of it, up to the one that was wanted. A level without checks does not block. */
export function judgeLevels(checks: readonly DrillCheck[], wanted: DrillLevel): readonly LevelResult[] {
  let failed = false;
  return DRILL_LEVELS.map((level) => {
    const mine = checks.filter((check) => check.level === level);
    const outcome = outcomeOf(mine, failed, level > wanted);
    failed ||= outcome === 'failed';
    return { level, ...WORDS[level], outcome };
  });
}

function outcomeOf(checks: readonly DrillCheck[], failedBelow: boolean, isUnwanted: boolean): LevelOutcome {
  if (checks.some(({ ok }) => !ok)) return 'failed';
  if (failedBelow || isUnwanted) return 'not reached';
  return checks.length === 0 ? 'n/a' : 'passed';
}

/** The highest level that passed with everything below it; null where not even the lowest did. */
export function levelReached(levels: readonly LevelResult[]): DrillLevel | null {
  let reached: DrillLevel | null = null;
  for (const { level, outcome } of levels) {
    if (outcome === 'failed') break;
    if (outcome === 'passed') reached = level;
  }
  return reached;
}

/** The user's own claim about the restored project. */
export type Assertion = {
  readonly name: string;
  readonly service: string;
} & (
  | {
      readonly kind: 'sql';
      /** Null: the only database of the service. */
      readonly database: string | null;
      readonly sql: string;
      readonly expect: string;
    }
  | { readonly kind: 'http'; readonly url: string; readonly status: number; readonly contains: string | null }
  | { readonly kind: 'command'; readonly argv: readonly string[] }
);

/** Seconds from the beginning of the restore to a usable copy, and what they went into. */
export interface RecoveryTime {
  readonly seconds: number;
  /** Images, network, volumes, containers. */
  readonly prepareSeconds: number;
  readonly filesSeconds: number;
  readonly databasesSeconds: number;
  /** Null where no services were started. */
  readonly servicesSeconds: number | null;
}

export interface DrilledImage {
  readonly service: string;
  readonly image: string;
  readonly id: string;
  readonly digests: readonly string[];
}

/** What is kept of a drill. Names and numbers, no secrets. */
export interface DrillEvidence {
  readonly format: 1;
  readonly drill: string;
  readonly snapshot: string;
  readonly project: string;
  /** ISO 8601 UTC, of the snapshot. */
  readonly takenAt: string;
  /** ISO 8601 UTC, of the drill's end; `list` shows it. */
  readonly at: string;
  readonly startedAt: string;
  readonly ok: boolean;
  /** The highest level reached; null: none. */
  readonly level: DrillLevel | null;
  readonly wanted: DrillLevel;
  /** Null: everything in the snapshot. */
  readonly components: readonly ComponentId[] | null;
  readonly levels: readonly LevelResult[];
  readonly checks: readonly DrillCheck[];
  /** Null where the restore did not come to its end. */
  readonly rto: RecoveryTime | null;
  /** Age of the snapshot when the drill began: what would be lost. */
  readonly rpoSeconds: number;
  readonly seconds: number;
  readonly images: readonly DrilledImage[];
  readonly by: { readonly user: string; readonly host: string };
  readonly tool: { readonly name: string; readonly version: string };
  readonly engine: Pick<EngineInfo, 'id' | 'name' | 'version' | 'apiVersion' | 'operatingSystem' | 'architecture' | 'endpoint'>;
  /** What the copy has not, for people: `published port 8080 of web is dropped`. */
  readonly changes: readonly string[];
  readonly findings: readonly Finding[];
}

/** What of an evidence file says how well a snapshot is proven; null where it is none, or one of a part only. */
export function proofOf(evidence: Readonly<Record<string, unknown>>): SnapshotSummary['proof'] {
  const { level, at, ok, components } = evidence;
  if (typeof at !== 'string' || (components !== undefined && components !== null)) return null;
  if (typeof level !== 'number' && level !== null) return null;
  return { level, at, ...(ok === false ? { failed: true as const } : {}) };
}
