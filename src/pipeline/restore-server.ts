import type { BuiltDatabase, DatabaseAdapter, DatabaseIo, DatabaseSource, DatabaseTarget } from '../domain/database-ports.ts';
import type { ComponentId } from '../domain/component.ts';
import type { EventSink } from '../domain/events.ts';
import type { Finding } from '../domain/finding.ts';
import type { ManifestArtifact } from '../domain/manifest.ts';
import { settingsForAccess } from '../domain/plan.ts';
import type { Engine, SnapshotRepository } from '../domain/ports.ts';
import type { DatabaseAccess, JournalDatabase, NamedContainer, RestoredDatabase } from '../domain/restore.ts';
import { McadsError } from '../errors.ts';
import { givenBack } from '../stream/release-buffer.ts';
import { remembering } from '../stream/remembering.ts';
import { findContainer } from './undo-restore.ts';

export interface ServerRestoreContext {
  readonly engine: Engine;
  readonly repository: SnapshotRepository;
  readonly run: string;
  readonly jobs: number;
  readonly healthTimeoutMs: number;
  readonly events: EventSink;
  /** What the settings say of a container with these labels. */
  accessFor(service: string, labels: Readonly<Record<string, string>>): DatabaseAccess;
}

/** One database of a server with what was recorded of it. */
export interface DatabaseOfServer extends JournalDatabase {
  readonly source: DatabaseSource;
  readonly dump: ManifestArtifact;
}

/** One database server and what of it is brought back. */
export interface PlannedServer {
  readonly service: string;
  readonly adapter: DatabaseAdapter;
  readonly container: NamedContainer;
  readonly access: DatabaseAccess;
  readonly databases: readonly DatabaseOfServer[];
  readonly globals: { readonly id: ComponentId; readonly artifact: ManifestArtifact; readonly mode: 'missing' | 'all' } | null;
}

const LARGEST_GLOBALS = 64 * 1024 * 1024;

/** A server whose databases are built under other names, proven, and then renamed. */
export class ServerRestore {
  readonly planned: PlannedServer;
  readonly restored: RestoredDatabase[] = [];
  readonly findings: Finding[] = [];
  /** Databases that were there before. */
  readonly replaced = new Set<string>();
  /** Takes explicitly restored globals back; in memory only. */
  undoGlobals: string | null = null;
  readonly #context: ServerRestoreContext;
  #access: PlannedServer['access'];

  constructor(planned: PlannedServer, context: ServerRestoreContext) {
    this.planned = planned;
    this.#access = planned.access;
    this.#context = context;
  }

  /** Waits until the server takes connections; its container has to be up. */
  async waitReady(signal: AbortSignal): Promise<void> {
    const { adapter } = this.planned;
    await adapter.restorer.waitReady(await this.#target(signal), this.#context.healthTimeoutMs, this.#io(signal));
  }

  /** Roles that do not exist yet: they go again when the restore is undone. */
  async missingRoles(signal: AbortSignal): Promise<readonly string[]> {
    const globals = await this.#globals(signal);
    return globals === null ? [] : this.planned.adapter.restorer.missingRoles(await this.#target(signal), globals, this.#io(signal));
  }

  /** Before anything is touched. */
  async check(signal: AbortSignal): Promise<void> {
    const target = await this.#target(signal);
    for (const { source, database } of this.planned.databases) {
      const { exists, findings } = await this.planned.adapter.restorer.check(target, source, this.#io(signal));
      // What is said of the server is said once.
      for (const one of findings)
        if (!this.findings.some(({ code, subject, message }) => code === one.code && subject === one.subject && message === one.message))
          this.findings.push(one);
      if (exists) this.replaced.add(database);
    }
  }

  /** Roles, then every database under its temporary name, compared with what was recorded. */
  async build(signal: AbortSignal, newCluster: boolean): Promise<void> {
    const { adapter, databases, globals } = this.planned;
    const { repository, jobs, events } = this.#context;
    const target = await this.#target(signal);
    const text = await this.#globals(signal);
    if (text !== null && globals !== null) {
      const mode = newCluster ? 'all' : globals.mode;
      const applied = await adapter.restorer.applyGlobals(target, text, mode, this.#io(signal));
      this.findings.push(...applied.findings);
      if (!newCluster) this.undoGlobals = applied.undo;
      // A new cluster has the passwords of its environment until now, and those of the recorded one from now on, which the labels know of.
      else this.#access = this.#context.accessFor(target.service, target.container.labels);
    }
    for (const { component, database, temporary, source, dump } of databases) {
      const onProgress = (bytes: number): void =>
        events({ type: 'component-progress', id: component, bytes, stored: 0, bytesExpected: dump.bytes, phase: 'database' });
      const started = performance.now();
      // What the repository says about its own bytes comes before what the tool made of their end.
      const bytes = remembering(givenBack(repository.read(dump, signal)));
      let built: BuiltDatabase;
      try {
        built = await adapter.restorer.build(await this.#target(signal), source, temporary, bytes, { jobs, onProgress }, this.#io(signal));
      } catch (error) {
        throw bytes.failure ?? error;
      }
      this.findings.push(...built.findings);
      this.restored.push({ component, name: database, tables: built.tables, rows: built.rows, rowsEqual: true });
      const message = `${component} built and compared in ${((performance.now() - started) / 1000).toFixed(1)} s`;
      events({ type: 'log', level: 'info', message });
    }
  }

  /** All databases in one transaction. */
  async swap(signal: AbortSignal): Promise<void> {
    const { adapter, databases } = this.planned;
    if (databases.length > 0) await adapter.restorer.swap(await this.#target(signal), databases, this.#io(signal));
  }

  /** For good. */
  async dropReplaced(signal: AbortSignal): Promise<void> {
    const { adapter, databases } = this.planned;
    const kept = databases.map((one) => one.kept);
    await adapter.restorer.drop(await this.#target(signal), kept, this.#io(signal));
  }

  /** Roles that existed and were altered, back to what they were. */
  async takeBackGlobals(signal: AbortSignal): Promise<void> {
    if (this.undoGlobals === null) return;
    await this.planned.adapter.restorer.runGlobals(await this.#target(signal), this.undoGlobals, this.#io(signal));
    this.undoGlobals = null;
  }

  /** The container changes its state on the way: it is looked at each time. */
  async #target(signal: AbortSignal): Promise<DatabaseTarget> {
    const { service, container: named } = this.planned;
    const container = await findContainer(this.#context.engine, named, signal);
    if (container === null) throw new McadsError('component-failed', `the container ${named.name} of service ${service} is gone`);
    return { service, container, settings: settingsForAccess(this.#access) };
  }

  /** Roles are kilobytes; more than 64 MiB of them is nothing that a server wrote. */
  async #globals(signal: AbortSignal): Promise<string | null> {
    const { globals } = this.planned;
    if (globals === null) return null;
    if (globals.artifact.bytes > LARGEST_GLOBALS) throw new McadsError('damaged', `${globals.id} is too large to be a list of roles`);
    const parts: Uint8Array[] = [];
    for await (const bytes of this.#context.repository.read(globals.artifact, signal)) parts.push(bytes);
    return Buffer.concat(parts).toString('utf8');
  }

  #io(signal: AbortSignal): DatabaseIo {
    return { engine: this.#context.engine, runId: this.#context.run, signal, warn: (finding) => this.findings.push(finding) };
  }
}
