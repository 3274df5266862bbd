import type { ComposeModel } from '../domain/compose-model.ts';
import type { DatabaseAdapter } from '../domain/database-ports.ts';
import type { Assertion, DrillEvidence, DrillLevel } from '../domain/drill.ts';
import type { DrillRepository } from '../domain/drill-repository.ts';
import type { EventSink } from '../domain/events.ts';
import type { Engine } from '../domain/ports.ts';
import type { OpenTreeOptions } from '../domain/tree.ts';
import type { SettingsLookup } from './requests.ts';

export interface DrillRequest {
  /** Full name. */
  readonly snapshot: string;
  /** `--component` globs; empty: everything. */
  readonly components: readonly string[];
  readonly level: DrillLevel;
  /** Start the application's services too, not only its databases. */
  readonly services: boolean;
  /** How long the copy stays for somebody to look at it; 0: it goes at once. */
  readonly keepForMs: number;
  /** The drill fails when it takes longer. */
  readonly maxDurationMs: number;
  /** For a service of the application. */
  readonly healthTimeoutMs: number;
  /** For a database server, which may have to make a new cluster first, with less of the processors than the live project has. */
  readonly serverTimeoutMs: number;
  readonly jobs: number;
  readonly transport: OpenTreeOptions['transport'];
  readonly helperImage: string | null;
  /** The most that one container of the copy may use. */
  readonly memoryBytes: number;
}

export interface DrillPorts {
  readonly engine: Engine;
  readonly adapters: readonly DatabaseAdapter[];
  /** From the settings, those of labels apart. */
  readonly assertions: readonly Assertion[];
  openRepository(): Promise<DrillRepository>;
  /** Rejects `nothing-found` without files, `config` for files that do not load. */
  loadCompose(): Promise<ComposeModel>;
  settingsFor(model: ComposeModel | null): SettingsLookup;
  readonly tool: DrillEvidence['tool'];
  readonly by: DrillEvidence['by'];
  now(): Date;
  /** 12 hexadecimal digits. */
  readonly run: string;
  readonly events: EventSink;
}

export interface DrillResult {
  readonly evidence: DrillEvidence;
  /** Where the evidence is in the repository; null where it cannot be written. */
  readonly kept: string | null;
  /** The copy that was left for somebody to look at. */
  readonly copy: { readonly project: string; readonly until: string } | null;
}
