import { posix } from 'node:path';
import type { Bytes, JsonValue } from '../domain/byte-stream.ts';
import type { Finding } from '../domain/finding.ts';
import type { ComponentDetails, Manifest, ManifestArtifact } from '../domain/manifest.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { BackupPlan, PlannedComponent, TreeMount } from '../domain/plan.ts';
import type { DatabaseAdapter, DatabaseIo, DatabaseTarget } from '../domain/database-ports.ts';
import type { Engine, FileIdentity, SnapshotWriter } from '../domain/ports.ts';
import type { RawPath, TransportName, TreeSource } from '../domain/tree.ts';
import { McadsError, messageOf, stopsRun } from '../errors.ts';
import { gatherConfig } from './capture-config.ts';
import { captureFromHost, runtimeOf } from './capture-host.ts';
import { captureStream } from './capture-stream.ts';
import { captureTree } from './capture-tree.ts';
import { configTar } from './config-tar.ts';
import { withHooks } from './hooks.ts';
import type { OpenedTrees } from './opened-trees.ts';
import { consistencyAfter } from './still-cold.ts';
import { neverCaptured, type BackupPorts, type BackupRequest } from './requests.ts';
import { toRaw, toText } from '../stream/raw-path.ts';

export interface CaptureContext {
  readonly plan: BackupPlan;
  readonly writer: SnapshotWriter;
  readonly request: BackupRequest;
  readonly ports: BackupPorts;
  /** Null where there is no engine. */
  readonly trees: OpenedTrees | null;
  /** By component: what lies on the same one is captured one after another, because two readers make its heads go back and forth. */
  readonly disks: ReadonlyMap<string, string>;
  readonly signal: AbortSignal;
}

/** What one capture method found out; the outcome is made from it in one place. */
interface Captured {
  readonly artifacts: readonly ManifestArtifact[];
  readonly bytes: number;
  readonly storedBytes: number;
  readonly facts: Readonly<Record<string, JsonValue>>;
  readonly findings: readonly Finding[];
  readonly reused?: boolean;
  readonly transport?: TransportName;
  /** Where it is not what was planned. */
  readonly consistency?: PlannedComponent['consistency'];
}

/**
 * Captures one component and says how it went. Rejects only with what must stop the run (engine or repository lost, cancelled);
 * any other error is this component's failure.
 */
export async function captureComponent(component: PlannedComponent, context: CaptureContext): Promise<Outcome> {
  const { ports, signal } = context;
  const startedAt = ports.now();
  // Of a database the plan knows the size on disk, which says little of its dump.
  const bytes = bytesBefore(component, context) ?? component.bytes;
  ports.events({ type: 'component-started', id: component.id, bytesExpected: bytes });
  const outcome = await attempt({ ...component, bytes }, context, startedAt);
  signal.throwIfAborted();
  ports.events({ type: 'component-finished', outcome, seconds: (ports.now().getTime() - startedAt.getTime()) / 1000 });
  return outcome;
}

/** What the component held in the snapshot before: a good guess for the progress. */
function bytesBefore(component: PlannedComponent, context: CaptureContext): number | null {
  return context.writer.parentOf(component.id)?.sealed.components[component.id]?.bytes ?? null;
}

async function attempt(component: PlannedComponent, context: CaptureContext, startedAt: Date): Promise<Outcome> {
  if (component.failure !== undefined)
    return {
      status: 'failed',
      id: component.id,
      reason: component.failure.reason,
      hint: component.failure.hint,
      findings: component.findings,
    };
  try {
    const { ports, signal } = context;
    const { result: captured, findings } = await withHooks(component, ports.engine, () => captureBy(component, context), signal);
    const details: ComponentDetails = {
      outcome: captured.reused === true ? 'reused' : 'captured',
      how: component.how,
      because: component.because,
      consistency: captured.consistency ?? component.consistency,
      startedAt: startedAt.toISOString(),
      finishedAt: context.ports.now().toISOString(),
      bytes: captured.bytes,
      storedBytes: captured.storedBytes,
      facts: { ...component.facts, ...captured.facts },
      findings: [...component.findings, ...captured.findings, ...findings],
      transport: captured.transport,
    };
    return { status: details.outcome, id: component.id, component: { id: component.id, artifacts: captured.artifacts }, details };
  } catch (error) {
    context.signal.throwIfAborted();
    if (stopsRun(error)) throw error;
    const hint = error instanceof McadsError ? error.hint : undefined;
    return { status: 'failed', id: component.id, reason: messageOf(error), hint, findings: component.findings };
  }
}

async function captureBy(component: PlannedComponent, context: CaptureContext): Promise<Captured> {
  const { method } = component;
  switch (method.kind) {
    case 'dump':
      return captureDump(component, context, method);
    case 'globals':
      return captureDump(component, context, { ...method, database: null });
    case 'tree':
      return captureMount(component, context, method);
    case 'host-tree':
      return captureFolder(component, context, method);
    case 'sqlite-raw': {
      await using copies = await runtimeOf(context.ports.hostRuntime).copyRawDatabase(
        method.path,
        context.writer.spoolDirectory,
        context.signal,
      );
      return await captureFolder(component, context, { kind: 'host-tree', path: copies.path, exclude: [] });
    }
    case 'sqlite':
    case 'host-dump':
    case 'host-state': {
      const { ports, plan, writer, signal } = context;
      const onProgress = (phase: string): ReturnType<typeof progress> => progress(component, context, phase);
      return captureFromHost(
        method,
        { runtime: ports.hostRuntime, adapters: ports.adapters, project: plan.project, writer, onProgress },
        signal,
      );
    }
    case 'config':
      return captureConfig(component, context);
    case 'state':
      return captureState(component, context);
    case 'image':
      return captureImage(component, context, method.image);
  }
}

async function captureDump(
  component: PlannedComponent,
  context: CaptureContext,
  method: { readonly adapter: string; readonly service: string; readonly container: string; readonly database: string | null },
): Promise<Captured> {
  const { writer, ports, signal } = context;
  const adapter = adapterNamed(ports.adapters, method.adapter);
  const engine = engineOf(context);
  const target: DatabaseTarget = {
    service: method.service,
    container: await engine.inspectContainer(method.container, signal),
    settings: settingsOf(component),
  };
  const found: Finding[] = [];
  const io: DatabaseIo = { engine, runId: ports.runId, signal, warn: (finding) => found.push(finding) };
  const began = ports.now().getTime();
  const dump = method.database === null ? await adapter.globals(target, io) : await adapter.dump(target, method.database, io);
  const stored = await captureStream(
    dump.stream,
    writer,
    { format: dump.format, onProgress: progress(component, context, 'dump') },
    signal,
  );
  const dumped = ports.now().getTime();
  const checked =
    method.database === null
      ? { facts: {}, findings: [] }
      : await adapter.check(
          target,
          stored.verdict.facts ?? {},
          counted(writer.read(stored.artifact), progress(component, context, 'check')),
          io,
        );
  return {
    artifacts: [stored.artifact],
    bytes: stored.bytes,
    storedBytes: stored.storedBytes,
    facts: {
      ...stored.verdict.facts,
      ...checked.facts,
      dumpSeconds: (dumped - began) / 1000,
      checkSeconds: (ports.now().getTime() - dumped) / 1000,
    },
    findings: [...found, ...(stored.verdict.findings ?? []), ...checked.findings],
  };
}

async function* counted(bytes: Bytes, onProgress: (bytes: number, stored: number) => void): AsyncGenerator<Uint8Array> {
  let total = 0;
  for await (const piece of bytes) {
    total += piece.length;
    onProgress(total, 0);
    yield piece;
  }
}

async function captureMount(
  component: PlannedComponent,
  context: CaptureContext,
  method: Extract<PlannedComponent['method'], { kind: 'tree' }>,
): Promise<Captured> {
  const { plan, ports, trees, signal } = context;
  const engine = engineOf(context);
  if (trees === null) throw new McadsError('unexpected', 'a mount is planned but no tree can be opened');
  const source = await trees.take(component.id, method, signal);
  try {
    const captured = await captureFiles(component, context, source, method.exclude, pathOfMount(method.mount, context));
    return { ...captured, consistency: await consistencyAfter(component, plan.project, engine, ports, signal) };
  } finally {
    trees.close(source);
  }
}

async function captureFolder(
  component: PlannedComponent,
  context: CaptureContext,
  { path, exclude }: Extract<PlannedComponent['method'], { kind: 'host-tree' }>,
): Promise<Captured> {
  const { ports, writer, signal } = context;
  const own = await pathsWithin(path, await ownFolders(context), context);
  const prune = own.map((raw) => toText(raw));
  const options = { temporaryDirectory: writer.spoolDirectory, prune, exclude };
  await using source = await runtimeOf(ports.hostRuntime).openTree(path, options, signal);
  const captured = await captureFiles(component, context, source, exclude, path);
  return source.singleFile ? { ...captured, facts: { ...captured.facts, singleFile: true } } : captured;
}

async function captureFiles(
  component: PlannedComponent,
  context: CaptureContext,
  source: TreeSource,
  exclude: readonly string[],
  path: string | null,
): Promise<Captured> {
  const { writer, request, signal } = context;
  const parent = writer.parentOf(component.id);
  const neverCapture = await ownFolders(context);
  const result = await captureTree(
    source,
    writer,
    {
      parent: parent === null ? null : parentArtifacts(parent, component.id),
      exclude,
      neverCapture,
      neverCapturePaths: await pathsWithin(path, neverCapture, context),
      rescan: request.rescan,
      onProgress: progress(component, context, 'files'),
    },
    signal,
  );
  return {
    artifacts: result.artifacts,
    bytes: result.bytes,
    storedBytes: result.storedBytes,
    facts: {
      entries: result.entries,
      segmentsRead: result.segmentsRead,
      segmentsReused: result.segmentsReused,
      torn: result.torn,
      ...(result.unread.names.length === 0 ? {} : { unread: result.unread.names }),
      ...(result.unread.hasMore ? { unreadMore: true } : {}),
    },
    findings: [...source.findings, ...result.findings, ...databaseFindings(component, result.databasesSeen)],
    reused: result.segmentsRead === 0 && result.segmentsReused > 0,
    transport: source.transport,
  };
}

function parentArtifacts(parent: Manifest, id: string): { data: ManifestArtifact; catalogue: ManifestArtifact } | null {
  const artifacts = parent.components.find((component) => component.id === id)?.artifacts ?? [];
  const data = artifacts.find((artifact) => artifact.name === 'data');
  const catalogue = artifacts.find((artifact) => artifact.name === 'catalogue');
  return data === undefined || catalogue === undefined ? null : { data, catalogue };
}

async function ownFolders(context: CaptureContext): Promise<readonly FileIdentity[]> {
  const { request, plan, ports } = context;
  return Promise.all(neverCaptured(request, plan.project).map((path) => identityOf(path, ports.host)));
}

/** Of what is not there yet (the log folder of a first run may be made at this moment) the place is known. */
async function identityOf(path: string, host: BackupPorts['host']): Promise<FileIdentity> {
  const found = await host.identify(path);
  if (found !== null || path === '/') return found ?? { device: '', inode: '', type: 'directory', realPath: path };
  const above = await identityOf(posix.dirname(path), host);
  return { device: '', inode: '', type: 'directory', realPath: posix.join(above.realPath, posix.basename(path)) };
}

/** The folders that lie in the tree at this path of our host, as paths in it. */
async function pathsWithin(path: string | null, folders: readonly FileIdentity[], context: CaptureContext): Promise<readonly RawPath[]> {
  const root = path === null ? null : await context.ports.host.identify(path);
  if (root === null) return [];
  const prefix = `${root.realPath.replace(/\/$/, '')}/`;
  const inside = folders.filter(({ realPath }) => realPath.startsWith(prefix));
  return inside.map(({ realPath }) => toRaw(realPath.slice(prefix.length)));
}

/** Null where the engine's files are not this host's. */
function pathOfMount(mount: TreeMount, context: CaptureContext): string | null {
  const { engine, engineInfo } = context.plan.project;
  if (engineInfo?.sharesFilesystem !== true) return null;
  const volume = mount.type === 'volume' ? engine?.volumes.find(({ name }) => name === mount.name) : undefined;
  const path = mount.type === 'bind' ? mount.hostPath : (volume?.options['device'] ?? volume?.mountpoint);
  return path?.startsWith('/') === true ? path : null;
}

/** Database files that were read while something may have written them: never called captured in silence. */
function databaseFindings(
  component: PlannedComponent,
  seen: readonly { readonly engine: string; readonly path: string }[],
): readonly Finding[] {
  if (component.consistency !== 'live' || component.findings.some((finding) => finding.code === 'engine-read-live')) return [];
  return seen.map((database) => ({
    severity: 'error',
    code: 'engine-read-live',
    subject: component.id,
    message: `${database.path} is a ${database.engine} database and was read while a service runs that may write it`,
    hint:
      component.method.kind === 'host-tree'
        ? 'dump it by its own means and leave its files out with `host: exclude:`'
        : 'label the service mcads.quiesce=stop (or pause), or accept it with mcads.consistency=crash',
  }));
}

async function captureConfig(component: PlannedComponent, context: CaptureContext): Promise<Captured> {
  const { plan, ports, request, writer, signal } = context;
  const gathered = await gatherConfig(plan.project, request.configFiles, ports.host, ports.engine, signal);
  const stored = await captureStream(
    configTar(gathered),
    writer,
    { format: 'tar', onProgress: progress(component, context, 'files') },
    signal,
  );
  const files = gathered.files.map((file) => ({ name: file.name, role: file.role, bytes: file.bytes.length }));
  return {
    artifacts: [stored.artifact],
    bytes: stored.bytes,
    storedBytes: stored.storedBytes,
    facts: { files },
    findings: gathered.findings,
  };
}

async function captureState(component: PlannedComponent, context: CaptureContext): Promise<Captured> {
  const project = context.plan.project.engine;
  if (project === null) throw new McadsError('component-failed', 'the engine knows nothing of this project');
  const state = await engineOf(context).state(project, context.signal);
  const body = (async function* () {
    yield new TextEncoder().encode(`${JSON.stringify(state, null, 1)}\n`);
  })();
  const stored = await captureStream(
    { body, done: Promise.resolve({}) },
    context.writer,
    { format: 'json', onProgress: progress(component, context, 'state') },
    context.signal,
  );
  const facts = {
    containers: state.containers.length,
    volumes: state.volumes.length,
    networks: state.networks.length,
    images: state.images.length,
  };
  return { artifacts: [stored.artifact], bytes: stored.bytes, storedBytes: stored.storedBytes, facts, findings: [] };
}

async function captureImage(component: PlannedComponent, context: CaptureContext, image: string): Promise<Captured> {
  const stream = engineOf(context).saveImage(image, context.signal);
  const stored = await captureStream(
    stream,
    context.writer,
    { format: 'tar', onProgress: progress(component, context, 'image') },
    context.signal,
  );
  return {
    artifacts: [stored.artifact],
    bytes: stored.bytes,
    storedBytes: stored.storedBytes,
    facts: { image, ...stored.verdict.facts },
    findings: stored.verdict.findings ?? [],
  };
}

function progress(component: PlannedComponent, context: CaptureContext, phase: string): (bytes: number, stored: number) => void {
  return (bytes, stored) =>
    context.ports.events({ type: 'component-progress', id: component.id, bytes, stored, bytesExpected: component.bytes, phase });
}

function adapterNamed(adapters: readonly DatabaseAdapter[], name: string): DatabaseAdapter {
  const adapter = adapters.find((one) => one.engine === name);
  if (adapter === undefined) throw new McadsError('unexpected', `no adapter named ${name}`);
  return adapter;
}

function engineOf(context: CaptureContext): Engine {
  if (context.ports.engine === null) throw new McadsError('unexpected', 'a component of the docker strategy without an engine');
  return context.ports.engine;
}

function settingsOf(component: PlannedComponent): NonNullable<PlannedComponent['settings']> {
  if (component.settings === null) throw new McadsError('unexpected', `${component.id} has no settings`);
  return component.settings;
}
