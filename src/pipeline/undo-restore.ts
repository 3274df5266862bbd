import type { DatabaseAdapter, DatabaseIo, DatabaseTarget } from '../domain/database-ports.ts';
import { type EngineContainer, isUp } from '../domain/engine-model.ts';
import type { HostWriter } from '../domain/host-writer.ts';
import type { EventSink } from '../domain/events.ts';
import { settingsForAccess } from '../domain/plan.ts';
import type { Engine, UndoReport } from '../domain/ports.ts';
import type { DatabaseAccess, JournalTree, NamedContainer, ProvenRestore, RestoreJournal } from '../domain/restore.ts';
import type { TreeTarget } from '../domain/restore-ports.ts';
import type { OpenTreeOptions } from '../domain/tree.ts';
import { McadsError, messageOf } from '../errors.ts';
import { isNewCluster } from './database-container.ts';
import { putAsideBack, takeAwayMade } from './made-places.ts';
import { type OwnThings, stillOwn } from './made-things.ts';
import { placeExists } from './place-exists.ts';
import type { MadeThings } from './restore-prepare.ts';
import { revertFiles } from './restore-config.ts';

export interface UndoTools {
  readonly adapters: readonly DatabaseAdapter[];
  readonly hostWriter: HostWriter;
  readonly tree: Omit<OpenTreeOptions, 'projectImages'>;
  readonly healthTimeoutMs: number;
  readonly events: EventSink;
}

/**
 * Brings a project back to what it was before a restore, from wherever that restore had come: after a failure, after it was killed, and for
 * `rollback`. Looks at what is really there, so it may be run again after it was interrupted itself. One thing that fails does not keep the
 * others from being brought back, but nothing is started on data that could not be: it stays down and the journal stays.
 */
export async function undoRestore(
  engine: Engine,
  journal: RestoreJournal,
  tools: UndoTools,
  signal: AbortSignal,
  reach: UndoReach | null = null,
): Promise<UndoReport> {
  const { containers } = await engine.viewProject(journal.project, signal);
  const projectImages = [...new Set(containers.map(({ imageId }) => imageId))];
  const undo = new Undo(engine, journal, tools, { ...treeOptionsOf(tools, journal), projectImages }, signal);
  const reachedSwap = reach === null ? journal.reachedSwap !== false : reach.reachedSwap;
  if (reach === null) {
    await undo.assertNobodyElses();
    if (reachedSwap) await undo.assertRevertible();
  }
  if (reachedSwap && undo.failed.length === 0) await undo.stopUsers();
  // No files are moved under what still runs on them.
  if (undo.failed.length > 0) return { undone: [], failed: undo.failed, untouched: true };
  await undo.takeAwayMade();
  await undo.revertTrees(reachedSwap, reach === null && journal.rollbackOf === undefined);
  // Files first: on a host they say how to reach the server.
  await undo.revertFiles();
  await undo.putAsideBack();
  await undo.revertDatabases(reach, reachedSwap);
  await undo.removeCreated(reach?.made ?? null);
  await undo.takeBackRoles(reach);
  await undo.startAgain(reachedSwap);
  return { undone: undo.done, failed: undo.failed, stays: undo.stays, lost: undo.lost };
}

/**
 * Brings a restore to its end that was proven when its process died: what services wrote since is not thrown away. They are started, and what
 * was replaced is kept as it would have been. May be run again after it was interrupted itself.
 */
export async function finishRestore(
  engine: Engine,
  journal: RestoreJournal,
  proven: ProvenRestore,
  { tools, now }: { readonly tools: UndoTools; readonly now: Date },
  signal: AbortSignal,
): Promise<UndoReport> {
  const isHost = engine.info.isHost === true; // its server is none of its services
  const servers = isHost ? [] : (journal.servers ?? []).filter(({ ran }) => ran).map(({ container }) => container);
  const running = [...servers.filter(({ name }) => !proven.start.some((one) => one.name === name)), ...proven.start];
  const finish = new Undo(engine, { ...journal, running }, tools, { ...tools.tree, projectImages: [] }, signal);
  await finish.startAgain(true);
  if (finish.failed.length > 0) return { undone: finish.done, failed: finish.failed };
  const { kept, rest } = proven;
  // Over at once: the next run clears it away. Before the other one, for the newest is what is gone back to.
  await engine.keepRestore(rest, now, signal);
  const held = (await engine.keptRestores(journal.project, signal)).filter((one) => one.journal.run === journal.run);
  if (kept !== null && !held.some(({ until }) => until === kept.until))
    await engine.keepRestore(kept.journal, new Date(kept.until), signal);
  const goBack = kept === null ? '' : '; `rollback` goes back';
  return {
    undone: [`the restore of ${journal.snapshot} was proven, so it is brought to its end${goBack}`, ...finish.done],
    failed: [],
    lost: finish.lost,
  };
}

/** Where nothing was changed after all: what was stopped for it runs again. Resolves with what does not. */
export async function startStopped(
  engine: Engine,
  journal: RestoreJournal,
  tools: UndoTools,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const undo = new Undo(engine, journal, tools, { ...tools.tree, projectImages: [] }, signal);
  await undo.startAgain(true);
  return [...undo.failed, ...undo.lost];
}

function sinceKept(tree: JournalTree, folder: string): string {
  return `${tree.component} had been written to after the restore died: all that it held is in ${folder} of ${sourceOf(tree)}, to take from; remove it then`;
}

/** As the restore opened its trees, where nobody says otherwise now. */
export function treeOptionsOf({ tree }: UndoTools, { helperImage = null }: RestoreJournal): UndoTools['tree'] {
  return { ...tree, helperImage: tree.helperImage ?? helperImage };
}

export function cannotSwap({ component }: JournalTree): McadsError {
  return new McadsError('component-failed', `${component} cannot be put back from here: no image on this engine has GNU tar`, {
    hint: 'put --helper-image, or the setting helperImage, as it was for the restore',
  });
}

/** How far a restore came that failed in this process; of one that was killed it is not known. */
export interface UndoReach {
  /** False: it ended before it stopped anything, so whatever runs is left alone. */
  readonly reachedSwap: boolean;
  /** Containers of the servers that ran when it began to build on them. */
  readonly builtOn: ReadonlySet<string>;
  /** What it had made; nothing else by those names is its own. */
  readonly made: MadeThings;
  /** Brings altered roles back; rejects where it cannot. */
  readonly takeBackRoles: () => Promise<void>;
}

class Undo {
  readonly done: string[] = [];
  readonly failed: string[] = [];
  readonly stays: string[] = [];
  readonly lost: string[] = [];
  readonly #engine: Engine;
  readonly #journal: RestoreJournal;
  readonly #tools: UndoTools;
  readonly #tree: OpenTreeOptions;
  readonly #signal: AbortSignal;
  /** Volume names and host paths that could not be put back. */
  readonly #broken = new Set<string>();

  constructor(engine: Engine, journal: RestoreJournal, tools: UndoTools, tree: OpenTreeOptions, signal: AbortSignal) {
    this.#engine = engine;
    this.#journal = journal;
    this.#tools = tools;
    this.#tree = tree;
    this.#signal = signal;
  }

  /** What a dead run had started already, or never stopped, must not see its files move. */
  async stopUsers(): Promise<void> {
    for (const user of this.#journal.users) {
      await this.#attempt(user.name, async () => {
        const container = await findContainer(this.#engine, user, this.#signal);
        if (container !== null && isUp(container)) await this.#engine.stop(container.id, this.#signal);
      });
    }
  }

  /** Before the folders that it lies in get their old times back. */
  async takeAwayMade(): Promise<void> {
    await this.#attempt('what the restore had made', () =>
      takeAwayMade(
        this.#journal,
        this.#tools.hostWriter,
        (what) => this.done.push(what),
        (what) => this.stays.push(what),
      ),
    );
  }

  async putAsideBack(): Promise<void> {
    await this.#attempt('what was changed since the restore', () => putAsideBack(this.#journal, this.#tools.hostWriter));
  }

  /** Before anything is stopped for it. */
  async assertRevertible(): Promise<void> {
    for (const tree of this.#journal.trees) {
      await this.#attempt(tree.component, async () => {
        await using target = await this.#open(tree);
        if (target === null) return this.#assertMayBeGone(tree);
        if (tree.swaps === true && !target.swaps) throw cannotSwap(tree);
        await target.assertRevertible(this.#journal.run, tree.rootInode ?? null, this.#signal);
      });
    }
  }

  /** With a volume goes all that was swapped in it. A folder of the host may be on a disk that is not mounted. */
  #assertMayBeGone({ place: { mount }, createdFrom }: JournalTree): void {
    if (mount.type === 'bind' && createdFrom === null)
      throw new McadsError('component-failed', `${mount.hostPath} is not there, so what was restored in it cannot be put back`, {
        hint: 'mount its disk, or move it back, and try again',
      });
    if (mount.type === 'volume' && !this.#journal.created.volumes.includes(mount.name))
      this.lost.push(`volume ${mount.name} was removed since, so nothing of it can be put back`);
  }

  /** `keepsSince`: the run died a while ago, and its services may have been started on what it had swapped in. */
  async revertTrees(reachedSwap: boolean, keepsSince: boolean): Promise<void> {
    for (const tree of this.#journal.trees.toReversed()) {
      const worked = await this.#attempt(tree.component, async () => {
        const target = await this.#open(tree);
        if (target !== null) {
          await using opened = target;
          const since = keepsSince ? (folder: string): void => void this.stays.push(sinceKept(tree, folder)) : undefined;
          if (await opened.revert(this.#journal.run, this.#signal, since)) this.done.push(`put back ${tree.component}`);
          if (!opened.swaps && reachedSwap)
            this.lost.push(
              `${tree.component} was overwritten in place (archive transport): a snapshot of before brings back what was there`,
            );
        }
        await this.#removeMadeFolders(tree);
      });
      if (!worked) this.#broken.add(sourceOf(tree));
    }
  }

  /** Services may run while a restore builds: what they put into a folder that it made is theirs. */
  async #removeMadeFolders({ component, place: { mount }, createdFrom }: JournalTree): Promise<void> {
    if (createdFrom === null || mount.type !== 'bind') return;
    if (await this.#engine.removeEmptyFolders(createdFrom, mount.hostPath, this.#tree, this.#signal)) return;
    this.stays.push(`${createdFrom}, made for ${component}: something was put into it meanwhile`);
  }

  async revertFiles(): Promise<void> {
    await this.#attempt('configuration', () =>
      revertFiles(
        this.#journal.files,
        this.#tools.hostWriter,
        (what) => this.done.push(what),
        (what) => this.stays.push(what),
      ),
    );
  }

  async revertDatabases(reach: UndoReach | null, reachedSwap: boolean): Promise<void> {
    const { databases, roles } = this.#journal;
    const servers = new Map<
      string,
      { readonly container: NamedContainer; readonly adapter: string; readonly service: string; readonly access: DatabaseAccess }
    >();
    for (const one of [...databases, ...roles]) servers.set(one.container.name, one);
    for (const [name, server] of servers) {
      const ran = reach === null ? this.#ranBefore(name, false) : reach.builtOn.has(name);
      // One that did not run is built on behind the swap only.
      if (!reachedSwap && !ran) continue;
      await this.#attempt(server.service, async () => {
        const container = await findContainer(this.#engine, server.container, this.#signal);
        const adapter = this.#tools.adapters.find(({ engine }) => engine === server.adapter);
        if (container === null || adapter === undefined) return;
        // A cluster that came with the restore goes with its volume.
        if (isNewCluster(container, adapter, this.#journal.created.volumes)) return;
        if (container.mounts.some((mount) => this.#broken.has(mount.name ?? mount.source)))
          throw new McadsError('component-failed', `its files could not be put back, so ${container.name} is not started`);
        const startedHere = !isUp(container);
        if (startedHere) await this.#engine.start(container.id, this.#signal);
        const target: DatabaseTarget = {
          service: server.service,
          container: await this.#engine.inspectContainer(container.id, this.#signal),
          settings: settingsForAccess(server.access),
        };
        const io = this.#io();
        await adapter.restorer.waitReady(target, this.#tools.healthTimeoutMs, io);
        const swaps = databases.filter((one) => one.container.name === name);
        const ready = { ...target, container: await this.#engine.inspectContainer(container.id, this.#signal) };
        this.done.push(...(await adapter.restorer.revert(ready, swaps, io)));
        const created = roles.filter((one) => one.container.name === name).flatMap((one) => one.created);
        if (created.length > 0) await adapter.restorer.dropRoles(ready, created, io);
        // What a restore of this process has started it stops again; what a killed one had started may have been started by somebody else.
        if (!this.#ranBefore(name, ran) && (startedHere || reach !== null)) await this.#engine.stop(container.id, this.#signal);
      });
    }
  }

  /** A journal of an earlier version does not say it of a server that is only built on. */
  #ranBefore(name: string, builtOn: boolean): boolean {
    const { servers = [], running } = this.#journal;
    return builtOn || (servers.find(({ container }) => container.name === name)?.ran ?? running.some((one) => one.name === name));
  }

  /** Before services start that log in with them. */
  async takeBackRoles(reach: UndoReach | null): Promise<void> {
    if (reach !== null) await this.#attempt('roles', reach.takeBackRoles);
  }

  /** `own` null: what this restore made itself is told by what was written down, or by what it cannot be otherwise. */
  async removeCreated(own: MadeThings | null): Promise<void> {
    const { volumes, folders = [] } = this.#journal.created;
    const made: OwnThings = own ?? (await stillOwn(this.#engine, this.#journal, this.#tree, this.#signal, (what) => this.stays.push(what)));
    for (const name of made.containers)
      await this.#remove(`container ${name}`, () =>
        this.#engine.removeContainer(made.idOf?.get(`container ${name}`) ?? name, this.#signal),
      );
    for (const name of made.networks)
      await this.#remove(`network ${name}`, () => this.#engine.removeNetwork(made.idOf?.get(`network ${name}`) ?? name, this.#signal));
    for (const name of made.volumes) await this.#remove(`volume ${name}`, () => this.#engine.removeVolume(name, this.#signal));
    if (made.volumes.size < volumes.length) return; // a folder may be that of somebody else's volume
    for (const path of folders) await this.#attempt(path, () => this.#engine.removeFolder(path, this.#tree, this.#signal));
  }

  async #remove(what: string, remove: () => Promise<void>): Promise<void> {
    if (await this.#attempt(what, remove)) this.done.push(`removed ${what}, which the restore had made`);
  }

  /**
   * A restore starts nothing but database servers before all is proven. What somebody has started since on what it had made holds their work, also
   * where it is down again: that is neither put back nor removed.
   */
  async assertNobodyElses(): Promise<void> {
    const servers = new Set([...this.#journal.databases, ...this.#journal.roles].map(({ container }) => container.name));
    const { containers, made } = this.#journal.created;
    // Nothing was put anywhere before that was written down.
    if (made === undefined) return;
    const started: string[] = [];
    for (const name of containers.filter((one) => !servers.has(one))) {
      const state = (await this.#engine.findContainer(name, this.#signal))?.state ?? 'created';
      if (state !== 'created') started.push(name);
    }
    if (started.length === 0) return;
    const own = await stillOwn(this.#engine, this.#journal, this.#tree, this.#signal);
    const isGone = own.containers.size + own.volumes.size === 0 && this.#journal.trees.every(({ place }) => place.mount.type === 'volume');
    if (isGone) return;
    this.failed.push(
      `${started.join(', ')} ran by now, so what the broken-off restore had made is left as it is: remove it yourself (docker compose down --volumes) and restore again`,
    );
  }

  /** `reachedSwap` false: only what went down meanwhile is started, whatever else was done to it was not done by the restore. */
  async startAgain(reachedSwap: boolean): Promise<void> {
    const started = new Set<NamedContainer>();
    for (const ran of this.#journal.running) {
      await this.#attempt(ran.name, async () => {
        const container = await findContainer(this.#engine, ran, this.#signal);
        if (container === null || (!reachedSwap && isUp(container))) return;
        started.add(ran);
        const broken = this.#brokenOf(container);
        if (broken !== undefined) throw new McadsError('component-failed', `stays down: ${broken} could not be put back`);
        if (container.state === 'paused') await this.#engine.unpause(container.id, this.#signal);
        else if (!isUp(container)) {
          this.#tools.events({ type: 'service', name: container.name, action: 'starting' });
          await this.#engine.start(container.id, this.#signal);
          this.done.push(`started ${container.name}`);
        }
      });
    }
    // Health last and together: one that was sick before must not keep the others down, nor the journal alive.
    await Promise.all([...started].map(async (ran) => this.#awaitHealth(ran)));
  }

  async #awaitHealth(ran: NamedContainer): Promise<void> {
    try {
      const container = await findContainer(this.#engine, ran, this.#signal);
      if (container !== null && isUp(container)) await this.#engine.waitHealthy(container.id, this.#tools.healthTimeoutMs, this.#signal);
      if (container !== null) this.#tools.events({ type: 'service', name: container.name, action: 'running' });
    } catch (error) {
      const now = await findContainer(this.#engine, ran, this.#signal).catch(() => null);
      // A container may have had one thing to do; a unit that does says so itself.
      const isDone = this.#engine.info.isHost !== true && now?.state === 'exited' && now.exitCode === 0;
      if (now !== null && !isUp(now) && !isDone) this.lost.push(`${ran.name} was started and is down again: ${messageOf(error)}`);
      else this.#tools.events({ type: 'log', level: 'warn', message: `${ran.name} runs again and is not healthy: ${messageOf(error)}` });
    }
  }

  /** Of what the service uses. */
  #brokenOf({ mounts }: EngineContainer): string | undefined {
    const used = this.#engine.info.isHost === true ? [...this.#broken] : mounts.map(({ name, source }) => name ?? source);
    return used.find((source) => this.#broken.has(source));
  }

  /** Null where the place is gone, or was never made. */
  async #open(tree: JournalTree): Promise<TreeTarget | null> {
    return (await placeExists(this.#engine, tree.place, this.#tree, this.#signal))
      ? this.#engine.openTarget(tree.place, this.#tree, this.#signal)
      : null;
  }

  #io(): DatabaseIo {
    const warn: DatabaseIo['warn'] = (finding) => this.#tools.events({ type: 'finding', finding });
    return { engine: this.#engine, runId: this.#journal.run, signal: this.#signal, warn };
  }

  async #attempt(what: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (this.#signal.aborted || (error instanceof McadsError && (error.code === 'engine-lost' || error.code === 'engine-unreachable')))
        throw error;
      this.failed.push(`${what}: ${messageOf(error)}`);
      return false;
    }
  }
}

/** By id, else by name: Compose may have made it anew since. Null where neither is there. */
export async function findContainer(engine: Engine, named: NamedContainer, signal: AbortSignal): Promise<EngineContainer | null> {
  for (const reference of [named.id, named.name].filter((one) => one !== '')) {
    const found = await engine.findContainer(reference, signal);
    if (found !== null) return found;
  }
  return null;
}

function sourceOf({ place }: JournalTree): string {
  return place.mount.type === 'volume' ? place.mount.name : place.mount.hostPath;
}
