import type { EngineContainer } from '../domain/engine-model.ts';
import type { Finding } from '../domain/finding.ts';
import type { Manifest } from '../domain/manifest.ts';
import type { ProjectClaim, SnapshotRepository } from '../domain/ports.ts';
import type {
  DatabaseAccess,
  FilesProof,
  MadePlace,
  NamedContainer,
  RestoredComponent,
  RestoredDatabase,
  RestoreJournal,
  RestorePlan,
  RestoreResult,
} from '../domain/restore.ts';
import { McadsError, messageOf } from '../errors.ts';
import { isNewCluster } from './database-container.ts';
import { discardKept, keptPart } from './kept-restores.ts';
import { assertConfigInside } from './outside-places.ts';
import { applyConfig } from './restore-config.ts';
import { madePlaces } from './made-places.ts';
import { explained } from './restore-error.ts';
import { journalOf, plannedServers, plannedTrees } from './restore-journal.ts';
import { apart, isRunning, isUpIn, usersOf } from './restore-order.ts';
import { identitiesOf, type MadeThings, prepare } from './restore-prepare.ts';
import type { RestorePorts, RestoreRequest } from './restore-requests.ts';
import { ServerRestore } from './restore-server.ts';
import { Downtime } from './restore-services.ts';
import { TreeRestore } from './restore-tree.ts';
import { undoToolsOf } from './restore-undo-tools.ts';
import { runAll } from './run-all.ts';
import { findContainer, undoRestore } from './undo-restore.ts';

export interface ApplyContext {
  readonly plan: RestorePlan;
  readonly request: RestoreRequest;
  readonly manifest: Manifest;
  readonly repository: SnapshotRepository;
  readonly claim: ProjectClaim;
  readonly ports: RestorePorts;
  readonly startedAt: Date;
}

export type Applied = Pick<RestoreResult, 'components' | 'services' | 'databases' | 'files' | 'findings' | 'keptUntil'>;

/** A step goes on for as long again as the services may take to become healthy; an undo must end some time too. */
const UNDO_STEP_MS = 120_000;

/** Writes down how to go back, then does the plan; on any failure goes back and throws, `rolledBack` in the error's context. */
export async function applyRestore(context: ApplyContext, signal: AbortSignal): Promise<Applied> {
  const { claim } = context;
  const run = await RestoreRun.begin(context, signal);
  await claim.recordRestore(run.journal);
  try {
    await run.apply(signal);
  } catch (error) {
    throw await run.goBack(error, signal);
  }
  return run.settle();
}

/** One restore from its first change on. */
class RestoreRun {
  journal: RestoreJournal;
  readonly #context: ApplyContext;
  readonly #servers: readonly ServerRestore[];
  readonly #downtime: Downtime;
  readonly #findings: Finding[] = [];
  readonly #components: RestoredComponent[] = [];
  readonly #files: FilesProof[] = [];
  readonly #databases: RestoredDatabase[] = [];
  /** Components whose old state is still there. */
  readonly #replaced = new Set<string>();
  /** Containers of database servers whose clusters came with this restore. */
  readonly #newClusters = new Set<string>();
  #skipped: ReadonlySet<string> = new Set();
  #made: readonly MadePlace[] = [];
  /** Until then no service was stopped, and nothing of what is live was changed but roles and their settings where that was asked for. */
  #reachedSwap = false;
  /** Containers of the servers that are built on while everything runs. */
  #builtOn: ReadonlySet<string> = new Set();
  readonly #madeThings: MadeThings = { networks: new Set(), volumes: new Set(), containers: new Set() };
  /** What is written down says so. */
  #isProven = false;
  /** How long what was replaced is kept. */
  #until: Date | null = null;

  private constructor(context: ApplyContext, journal: RestoreJournal, servers: readonly ServerRestore[]) {
    const { engine, events } = context.ports;
    this.#context = context;
    this.journal = journal;
    this.#servers = servers;
    this.#downtime = new Downtime({ engine, events, healthTimeoutMs: context.request.healthTimeoutMs });
  }

  /** Nothing is changed here. */
  static async begin(context: ApplyContext, signal: AbortSignal): Promise<RestoreRun> {
    const { plan, manifest, repository, ports, request, startedAt } = context;
    const view = await ports.engine.viewProject(plan.project, signal);
    const model = await ports.loadCompose().catch((error: unknown) => {
      if (error instanceof McadsError) return null;
      throw error;
    });
    const { run, engine, events } = ports;
    const { jobs, healthTimeoutMs } = request;
    const settings = ports.settingsFor(model);
    const accessFor = (service: string, labels: Readonly<Record<string, string>>): DatabaseAccess =>
      settings.forService(service, labels).settings.postgres;
    const servers = plannedServers(plan, manifest, view, ports.adapters, settings).map(
      (planned) => new ServerRestore(planned, { engine, repository, run, jobs, healthTimeoutMs, events, accessFor }),
    );
    const missingRoles = new Map<string, readonly string[]>();
    for (const server of servers) {
      const { container } = server.planned;
      if (isRunning(view, container)) missingRoles.set(container.name, await server.missingRoles(signal));
    }
    const trees = plannedTrees(plan, manifest);
    const users = usersOf(plan, view);
    const running = users.filter((user) => plan.services.some(({ container, ran }) => ran && container === user.name)).toReversed();
    const journal = journalOf(plan, {
      run,
      startedAt,
      helperImage: request.helperImage,
      servers: servers.map(({ planned }) => planned),
      serversUp: new Set(
        servers.flatMap(({ planned: { container } }) => (plan.onHost === true || isUpIn(view, container) ? [container.name] : [])),
      ),
      trees,
      missingRoles,
      users,
      running,
    });
    return new RestoreRun(context, journal, servers);
  }

  async apply(signal: AbortSignal): Promise<void> {
    const { plan, manifest, repository, ports, request } = this.#context;
    if (plan.fresh) await this.#writeConfig(signal);
    const prepared = await prepare(plan, manifest, repository, request, ports, this.#madeThings, signal);
    this.#skipped = prepared.skipped;
    this.#findings.push(...prepared.findings);
    if (plan.recreation !== null) {
      const made = await identitiesOf(this.#madeThings, ports.engine, signal);
      await this.#recordAgain({ ...this.journal, created: { ...this.journal.created, made } }, signal);
    }
    await using open = new AsyncDisposableStack();
    const trees: TreeRestore[] = [];
    const projectImages = await this.#projectImages(signal);
    const tree = { transport: request.transport, helperImage: request.helperImage, projectImages };
    for (const planned of plannedTrees(plan, manifest)) {
      const context = { engine: ports.engine, repository, run: ports.run, tree, events: ports.events };
      trees.push(open.use(await TreeRestore.open(planned, context, signal)));
    }
    const [running, later] = await this.#serversByState(signal);
    this.#builtOn = new Set(running.map(({ planned }) => planned.container.name));
    await this.#buildBeside(trees, running, signal);
    await this.#recordAgain({ ...this.journal, reachedSwap: true }, signal);
    await this.#swap(trees, running, signal);
    if (!plan.fresh) await this.#writeConfig(signal);
    // Before a server is started: it may write into what is looked at, its log into a volume first of all.
    await this.#proveSwapped(trees, signal);
    for (const server of later) await this.#bringUp(server, signal);
    const replaced = { trees: this.#replaced, databases: new Set(this.#keptDatabases()) };
    this.#made = await madePlaces(plan, this.journal, replaced, ports.hostWriter);
    await this.#recordProven(signal);
    await this.#start(signal);
    signal.throwIfAborted();
    this.#tell(trees);
  }

  async #recordAgain(journal: RestoreJournal, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.journal = journal;
    await this.#context.claim.recordRestore(journal);
  }

  /** What services write from now on is not thrown away because this process dies: the next one finishes what it finds. */
  async #recordProven(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { claim, ports, request } = this.#context;
    this.#until = new Date(ports.now().getTime() + request.keepOldMs);
    const until = this.#until.toISOString();
    const kept = this.#keptJournal();
    const proven = { start: this.#toStart(), kept: kept === null ? null : { journal: kept, until }, rest: this.#restOf(kept) };
    this.#isProven = true; // also where writing it fails: nobody knows how far that came
    await claim.recordRestore({ ...this.journal, proven });
  }

  /** Undoes everything under a time limit of its own; resolves with what to throw. */
  async goBack(cause: unknown, signal: AbortSignal): Promise<unknown> {
    const { ports, request, claim } = this.#context;
    const first = signal.aborted && signal.reason instanceof McadsError ? signal.reason : cause;
    ports.events({ type: 'stage', stage: 'undo', detail: messageOf(first) });
    const steps = this.journal.trees.length + this.journal.databases.length + this.journal.running.length + this.journal.users.length + 1;
    const own = AbortSignal.timeout(steps * UNDO_STEP_MS + request.healthTimeoutMs);
    const failed: string[] = [];
    const lost: string[] = [];
    try {
      await this.#recordUnproven();
      const report = await undoRestore(ports.engine, this.journal, undoToolsOf(request, ports), own, {
        reachedSwap: this.#reachedSwap,
        builtOn: this.#builtOn,
        made: this.#madeThings,
        takeBackRoles: async () => {
          // A limit of its own: a server that does not answer must not use up the time in which services are started.
          const limit = AbortSignal.any([own, AbortSignal.timeout(UNDO_STEP_MS)]);
          for (const server of this.#servers) await server.takeBackGlobals(limit);
        },
      });
      for (const what of report.undone) ports.events({ type: 'undone', what });
      for (const what of report.stays ?? []) ports.events({ type: 'log', level: 'warn', message: `it stays: ${what}` });
      failed.push(...report.failed);
      if (failed.length === 0) await claim.clearRestore();
      lost.push(...(report.lost ?? []));
    } catch (error) {
      failed.push(messageOf(error));
    }
    return explained(first, failed, lost);
  }

  /** Half undone must not be taken for proven. Where that cannot be written (the disk is full) it is undone all the same. */
  async #recordUnproven(): Promise<void> {
    if (!this.#isProven) return;
    try {
      await this.#context.claim.recordRestore(this.journal);
    } catch (error) {
      this.#context.ports.events({
        type: 'log',
        level: 'warn',
        message: `that it is undone could not be written down: ${messageOf(error)}`,
      });
    }
  }

  /** The restore is done: from here on it is kept, whatever comes. */
  async settle(): Promise<Applied> {
    const { ports, request, claim, plan } = this.#context;
    const { engine } = ports;
    const own = AbortSignal.timeout(UNDO_STEP_MS * (1 + this.journal.trees.length + this.journal.databases.length));
    const now = ports.now();
    const kept = this.#keptJournal();
    const until = this.#until ?? new Date(now.getTime() + request.keepOldMs);
    let isKept = false;
    try {
      // Both records before the journal goes, which the next run would finish from: what can be gone back to, and what it is to clear away.
      if (kept !== null) await engine.keepRestore(kept, until, own);
      isKept = kept !== null;
      const rest = this.#restOf(kept);
      await engine.keepRestore(rest, now, own);
      await claim.clearRestore();
      const [over] = (await engine.keptRestores(plan.project, own)).filter(
        (one) => one.journal.run === rest.run && one.until === now.toISOString(),
      );
      if (over !== undefined) await discardKept(engine, over, undoToolsOf(request, ports), own);
    } catch (error) {
      const message = `what the restore left behind is not cleared away: ${messageOf(error)}`;
      this.#findings.push({
        severity: 'warning',
        code: 'old-state-left',
        subject: plan.project,
        message,
        hint: 'the next run tries again',
      });
    }
    const containers = (await engine.viewProject(plan.project, own)).containers.filter(({ oneOff }) => !oneOff);
    return {
      components: this.#components,
      services: await this.#downtime.results(containers, own),
      databases: [...this.#databases, ...this.#servers.flatMap(({ restored }) => restored)],
      files: this.#files,
      findings: [...this.#findings, ...this.#servers.flatMap(({ findings }) => findings)],
      keptUntil: isKept ? until.toISOString() : null,
    };
  }

  /** What can be gone back to. */
  #keptJournal(): RestoreJournal | null {
    if (this.#context.request.keepOldMs <= 0) return null;
    return keptPart(this.journal, { trees: this.#replaced, databases: new Set(this.#keptDatabases()) }, this.#made);
  }

  /** Staging directories that hold nothing, the first databases of new clusters. */
  #restOf(kept: RestoreJournal | null): RestoreJournal {
    const isKept = (component: string): boolean =>
      kept !== null && [...kept.trees, ...kept.databases].some((one) => one.component === component);
    return {
      ...this.journal,
      trees: this.journal.trees.filter(({ component }) => !isKept(component)),
      databases: this.journal.databases.filter(
        ({ component, container }) => !isKept(component) && !this.#skipped.has(container.name) && !this.#newClusters.has(container.name),
      ),
      files: kept === null ? this.journal.files : [],
    };
  }

  #keptDatabases(): readonly string[] {
    return this.#servers
      .filter(({ planned }) => !this.#newClusters.has(planned.container.name))
      .flatMap(({ planned, replaced }) =>
        planned.databases.filter(({ database }) => replaced.has(database)).map(({ component }) => component),
      );
  }

  async #projectImages(signal: AbortSignal): Promise<readonly string[]> {
    const { containers } = await this.#context.ports.engine.viewProject(this.#context.plan.project, signal);
    return [...new Set(containers.map(({ imageId }) => imageId))];
  }

  /** Those whose server runs are built while everything runs; the others need their files first. */
  async #serversByState(signal: AbortSignal): Promise<readonly [readonly ServerRestore[], readonly ServerRestore[]]> {
    const { engine } = this.#context.ports;
    const running: ServerRestore[] = [];
    const later: ServerRestore[] = [];
    for (const server of this.#servers) {
      const { container } = server.planned;
      if (this.#skipped.has(container.name)) continue;
      const found = await findContainer(engine, container, signal);
      (found?.state === 'running' ? running : later).push(server);
    }
    return [running, later];
  }

  async #buildBeside(trees: readonly TreeRestore[], servers: readonly ServerRestore[], signal: AbortSignal): Promise<void> {
    const { ports, request } = this.#context;
    ports.events({ type: 'stage', stage: 'build' });
    await runAll(
      [
        ...servers.map((server) => async (inner: AbortSignal): Promise<void> => {
          await server.check(inner);
          await server.build(inner, false);
        }),
        ...trees.map((tree) => async (inner: AbortSignal): Promise<void> => {
          ports.events({ type: 'component-started', id: tree.planned.id, bytesExpected: tree.planned.bytes });
          await tree.stage(inner);
        }),
      ],
      request.jobs,
      signal,
    );
    signal.throwIfAborted();
  }

  /** Databases first, while their servers run; then the files, with everything down that uses them. */
  async #swap(trees: readonly TreeRestore[], servers: readonly ServerRestore[], signal: AbortSignal): Promise<void> {
    const { ports, request } = this.#context;
    const isServer = ({ name }: NamedContainer): boolean => servers.some(({ planned }) => planned.container.name === name);
    this.#reachedSwap = true;
    ports.events({ type: 'stage', stage: 'swap' });
    const { volumes } = await ports.engine.viewProject(this.#context.plan.project, signal);
    await this.#downtime.stop(
      this.journal.users.filter((user) => !isServer(user)),
      signal,
    );
    for (const server of servers) await server.swap(signal);
    await this.#downtime.stop(this.journal.users.filter(isServer), signal);
    const swaps = apart(trees, volumes).map((group) => async (inner: AbortSignal): Promise<void> => {
      for (const tree of group) await tree.swap(inner);
    });
    await runAll(swaps, request.jobs, signal);
  }

  /** All that could still have it undone comes before services run again: what they write from then on is not to be thrown away. */
  async #proveSwapped(trees: readonly TreeRestore[], signal: AbortSignal): Promise<void> {
    const proofs = trees.map((tree) => async (inner: AbortSignal): Promise<FilesProof> => {
      const proof = await tree.proveLive(inner);
      if (tree.planned.action === 'replace' && (await tree.holdsReplaced(inner))) this.#replaced.add(tree.planned.id);
      return proof;
    });
    this.#files.push(...(await runAll(proofs, this.#context.request.jobs, signal)));
  }

  /** A server that did not run: started on its files, which are in place by now, for as long as it takes. */
  async #bringUp(server: ServerRestore, signal: AbortSignal): Promise<void> {
    const { engine } = this.#context.ports;
    const { container: named, adapter } = server.planned;
    const container = await findContainer(engine, named, signal);
    if (container === null) throw new McadsError('component-failed', `container ${named.name} is gone`);
    const newCluster = isNewCluster(container, adapter, this.journal.created.volumes);
    if (newCluster) this.#newClusters.add(named.name);
    await engine.start(container.id, signal);
    await server.waitReady(signal);
    if (!newCluster) {
      const { service, adapter: engineAdapter, access } = server.planned;
      const created = await server.missingRoles(signal);
      const roles = [...this.journal.roles, { adapter: engineAdapter.engine, service, container: named, access, created }];
      if (created.length > 0) await this.#recordAgain({ ...this.journal, roles }, signal);
    }
    await server.check(signal);
    await server.build(signal, newCluster);
    await server.swap(signal);
    // What the entrypoint made of a new cluster goes with its volume when the restore is undone.
    if (newCluster) await server.dropReplaced(signal);
    if (!this.#shallRun(container)) await engine.stop(container.id, signal);
  }

  #shallRun({ name }: EngineContainer): boolean {
    return this.#toStart().some((one) => one.name === name);
  }

  /** Of what was made: what ran in the snapshot; then what ran before. */
  #toStart(): readonly NamedContainer[] {
    return [...this.#madeToStart(), ...this.journal.running];
  }

  #madeToStart(): readonly NamedContainer[] {
    const { plan, request } = this.#context;
    if (!request.start) return [];
    const made = plan.recreation?.containers.filter(({ name, wasRunning }) => wasRunning && !this.#skipped.has(name)) ?? [];
    return made.map(({ name }) => ({ id: '', name }));
  }

  async #start(signal: AbortSignal): Promise<void> {
    this.#context.ports.events({ type: 'stage', stage: 'start' });
    // Nothing ran there to go back to: data that is proven is not thrown away for a service that does not come up.
    for (const one of this.#madeToStart()) {
      try {
        await this.#downtime.start([one], signal);
      } catch (error) {
        if (!(error instanceof McadsError) || error.code !== 'proof-failed') throw error;
        this.#findings.push({
          severity: 'error',
          code: 'service-not-healthy',
          subject: one.name,
          message: error.message,
          hint: error.hint,
        });
      }
    }
    await this.#downtime.start(this.journal.running, signal);
  }

  async #writeConfig(signal: AbortSignal): Promise<void> {
    const { plan, repository, manifest, ports, request } = this.#context;
    if (plan.onHost === true) await assertConfigInside(plan, manifest, request, ports.host);
    const { findings, theirs } = await applyConfig(plan, manifest, repository, ports.hostWriter, this.journal.run, signal);
    this.#findings.push(...findings);
    if (theirs.size > 0) this.journal = { ...this.journal, files: this.journal.files.filter(({ path }) => !theirs.has(path)) };
  }

  #tell(trees: readonly TreeRestore[]): void {
    for (const tree of trees) {
      this.#findings.push(...tree.findings);
      this.#databases.push(...tree.databases);
    }
    for (const { id, target, action, how, bytes } of this.#context.plan.components) {
      const withoutServer = (target.kind === 'database' || target.kind === 'globals') && this.#isSkipped(target.service);
      const outcome = withoutServer ? 'failed' : action === 'keep' ? 'kept' : target.kind === 'state' ? 'skipped' : 'restored';
      this.#components.push({ id, outcome, detail: withoutServer ? 'its container could not be made' : how, bytes, seconds: 0 });
    }
  }

  #isSkipped(service: string): boolean {
    return this.#context.plan.recreation?.containers.some((one) => one.service === service && this.#skipped.has(one.name)) === true;
  }
}
