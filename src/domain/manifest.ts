import type { JsonObject, JsonValue } from './byte-stream.ts';
import type { ComponentId } from './component.ts';
import type { Finding, Uncovered } from './finding.ts';
import type { TransportName } from './tree.ts';

export type StrategyName = 'docker' | 'host';
export type Completeness = 'complete' | 'partial';
/**
 * live: read while in use, nothing changed under us. dump: transactionally consistent. cold: nothing ran. crash: an engine ran and nothing froze it.
 * archive: imported from an archive that does not say.
 */
export type Consistency = 'dump' | 'cold' | 'stopped' | 'paused' | 'live' | 'crash' | 'archive';

/** One stored byte stream. `data` is the component's own; `catalogue` lists a tree's entries (JSON lines, see CatalogueEntry). */
export interface ManifestArtifact {
  readonly name: 'data' | 'catalogue';
  readonly format: 'tar' | 'pgdump' | 'sql' | 'json' | 'jsonl' | 'sqlite';
  /** Page ids in order; concatenating all their chunks gives the artifact. */
  readonly pages: readonly string[];
  /** Plain length. */
  readonly bytes: number;
  readonly segments: number;
  /** SHA-256 over the page ids (binary, concatenated). */
  readonly digest: string;
}

/** The public part of one component: ids and lengths only. */
export interface ManifestComponent {
  readonly id: ComponentId;
  readonly artifacts: readonly ManifestArtifact[];
}

/** What would be sealed by encryption: names, facts, findings. */
export interface ComponentDetails {
  readonly outcome: 'captured' | 'reused';
  readonly how: string;
  readonly because: Because;
  readonly consistency: Consistency;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly bytes: number;
  /** New bytes this component added to the repository (compressed). */
  readonly storedBytes: number;
  readonly facts: Readonly<Record<string, JsonValue>>;
  readonly findings: readonly Finding[];
  readonly transport?: TransportName | undefined;
}

export interface FailedComponent {
  readonly id: ComponentId;
  readonly status: 'failed' | 'cancelled' | 'skipped';
  readonly reason: string;
  readonly hint?: string | undefined;
}

export type Because = 'label' | 'configuration' | 'detected';

export interface Manifest {
  readonly format: 1;
  readonly features: { readonly read: readonly string[]; readonly write: readonly string[] };
  readonly name: string;
  readonly repository: string;
  readonly components: readonly ManifestComponent[];
  readonly sealed: ManifestDetails;
}

export interface ManifestDetails {
  readonly project: string;
  readonly strategy: StrategyName;
  readonly completeness: Completeness;
  /** ISO 8601 UTC. */
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly tool: { readonly name: string; readonly version: string };
  readonly host: { readonly name: string; readonly platform: string; readonly node: string };
  readonly engine: JsonObject | null;
  readonly workingDirectory: string | null;
  /** Variables that Compose took from the process environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly components: Readonly<Record<string, ComponentDetails>>;
  readonly failed: readonly FailedComponent[];
  readonly uncovered: readonly Uncovered[];
  readonly findings: readonly Finding[];
  readonly stats: { readonly bytes: number; readonly newBytes: number; readonly seconds: number; readonly newChunks: number };
  /** Snapshots whose segments this run could reuse. */
  readonly parents: readonly string[];
}

/** One line of a catalogue artifact. `path64`/`target64` replace `path`/`target` where the bytes are not UTF-8. */
export interface CatalogueEntry {
  readonly path?: string;
  readonly path64?: string;
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: string;
  readonly ctime?: string;
  readonly inode?: string;
  readonly links?: number;
  readonly target?: string;
  readonly target64?: string;
  /**
   * The entry's member begins the next segment of the data artifact; the first entry of all begins the first one. Entries without it go on in
   * their predecessor's segment. No line holds an index, so that a segment that comes or goes leaves all other lines as they are.
   */
  readonly next?: true;
  /** First name of the inode in walk order: this entry is stored as a link to it. */
  readonly link?: string;
  readonly link64?: string;
  readonly torn?: true;
}

/** Nothing but the directory itself: a disk that was not mounted looks like this. */
export function isEmptyTree({ facts }: Pick<ComponentDetails, 'facts'>): boolean {
  return facts['entries'] === 1 && facts['singleFile'] !== true;
}
