import type { JsonValue } from '../domain/byte-stream.ts';
import type { DatabaseIo, DatabaseTarget } from '../domain/database-ports.ts';
import { settingsForAccess } from '../domain/plan.ts';
import { McadsError } from '../errors.ts';
import { givenBack } from '../stream/release-buffer.ts';
import { remembering } from '../stream/remembering.ts';
import type { CopyTools } from './drill-copy.ts';
import type { DrilledDatabase, DrilledServer } from './drill-plan.ts';
import { asRecord, differenceOf, said, type ReadDumps } from './drill-read.ts';

export interface DatabaseOptions {
  readonly jobs: number;
  readonly serverTimeoutMs: number;
  /** Level 3 is among what was asked for. */
  readonly proves: boolean;
}

const LARGEST_GLOBALS = 64 * 1024 * 1024;

/** Starts every server on its own data and brings roles and databases back: roles first, each database built, compared and renamed into place. */
export async function restoreDatabases(
  servers: readonly DrilledServer[],
  tools: CopyTools,
  options: DatabaseOptions,
  signal: AbortSignal,
): Promise<void> {
  for (const server of servers) {
    const { service } = server;
    // A new cluster has the passwords of its environment until it has the recorded roles.
    const isNew = server.databases.length > 0 || server.globals !== null;
    const first = isNew ? { ...server, access: { ...server.access, user: null, passwordFile: null } } : server;
    const isUp = await tools.log.attempt(2, 'server', service, () => startServer(first, tools, options, signal));
    if (!isUp) continue;
    let target = await targetOf(first, tools, signal);
    const { globals } = server;
    const hasRoles =
      globals === null ||
      (await tools.log.attempt(2, 'roles', globals.id, async () => {
        const { findings } = await server.adapter.restorer.applyGlobals(
          target,
          await textOf(globals.data, tools, signal),
          'all',
          ioOf(tools, signal),
        );
        for (const finding of findings) tools.log.warn(finding);
        return 'every recorded role is there with its rights';
      }));
    if (!hasRoles) continue;
    if (globals !== null) target = await targetOf(server, tools, signal);
    for (const database of server.databases) await restoreDatabase(server, database, target, tools, options, signal);
  }
}

async function startServer(
  server: DrilledServer,
  tools: CopyTools,
  { serverTimeoutMs }: DatabaseOptions,
  signal: AbortSignal,
): Promise<string> {
  const container = await tools.copy.container(server.service, signal);
  await tools.engine.start(container.id, signal);
  try {
    await server.adapter.restorer.waitReady(await targetOf(server, tools, signal), serverTimeoutMs, ioOf(tools, signal));
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof McadsError)) throw error;
    throw new McadsError(error.code, `${error.message}${await tools.copy.logOf(container)}`, { hint: error.hint, cause: error });
  }
  return server.databases.length === 0 ? 'takes connections on the restored files' : 'takes connections';
}

async function restoreDatabase(
  server: DrilledServer,
  { id, database, details, data }: DrilledDatabase,
  target: DatabaseTarget,
  tools: CopyTools,
  options: DatabaseOptions,
  signal: AbortSignal,
): Promise<void> {
  const { restorer } = server.adapter;
  const io = ioOf(tools, signal);
  const source = { database, facts: details.facts };
  const names = restorer.names(database, tools.run);
  let proven = '';
  const isRestored = await tools.log.attempt(2, 'database', id, async () => {
    const checked = await restorer.check(target, source, io);
    for (const finding of checked.findings) tools.log.warn(finding);
    const bytes = remembering(givenBack(tools.repository.read(data, signal)));
    try {
      const built = await restorer.build(target, source, names.temporary, bytes, { jobs: options.jobs, onProgress: () => undefined }, io);
      for (const finding of built.findings) tools.log.warn(finding);
      proven = `${built.tables} tables with ${built.rows} rows, as in the archive and at the source; objects, extensions, owners and rights too`;
    } catch (error) {
      throw bytes.failure ?? error;
    }
    await restorer.swap(target, [{ database, ...names }], io);
    await restorer.drop(target, [names.kept], io);
    return 'restored without an error';
  });
  if (isRestored && options.proves) tools.log.add({ level: 3, name: 'database', subject: id, ok: true, detail: proven });
}

/** Level 4: what the restored databases dump to, against the dumps that they came from. */
export async function proveFixpoint(
  servers: readonly DrilledServer[],
  dumps: ReadDumps,
  tools: CopyTools,
  signal: AbortSignal,
): Promise<void> {
  for (const server of servers) {
    for (const { id, database } of server.databases) {
      const first = dumps.get(id);
      if (first === undefined) continue;
      await tools.log.attempt(4, 'fixpoint', id, async () => {
        const target = await targetOf(server, tools, signal);
        const io = ioOf(tools, signal);
        const dump = await server.adapter.dump(target, database, io);
        const again = await server.adapter.check(target, { database }, dump.stream.body, io);
        await dump.stream.done;
        const difference = fixpointDifference(first, again.facts);
        if (difference !== null)
          throw new McadsError('proof-failed', `${id}: the restored database dumps to something else: ${difference}`);
        return 'dumps to the same schema text and the same rows per table';
      });
    }
  }
}

/** Null where both readings of a dump are the same. */
export function fixpointDifference(first: Readonly<Record<string, JsonValue>>, again: Readonly<Record<string, JsonValue>>): string | null {
  const rows = differenceOf(asRecord(first['archive']), asRecord(again['archive']));
  if (rows !== null) return rows;
  const [before, now] = [asRecord(first['archiveEntries']), asRecord(again['archiveEntries'])];
  for (const kind of new Set([...Object.keys(before), ...Object.keys(now)]))
    if (before[kind] !== now[kind]) return `${said(now[kind])} entries of kind ${kind} instead of ${said(before[kind])}`;
  for (const [key, what] of [
    ['archiveLargeObjects', 'large objects'],
    ['archiveSequences', 'sequences'],
  ] as const)
    if (first[key] !== again[key]) return `${said(again[key])} ${what} instead of ${said(first[key])}`;
  return first['archiveStatements'] === again['archiveStatements'] ? null : 'the schema text is another, with as many objects of each kind';
}

export async function targetOf(server: DrilledServer, { copy }: CopyTools, signal: AbortSignal): Promise<DatabaseTarget> {
  return { service: server.service, container: await copy.container(server.service, signal), settings: settingsForAccess(server.access) };
}

export function ioOf({ engine, run, log }: CopyTools, signal: AbortSignal): DatabaseIo {
  return { engine, runId: run, signal, warn: (finding) => log.warn(finding) };
}

async function textOf(artifact: DrilledDatabase['data'], { repository }: CopyTools, signal: AbortSignal): Promise<string> {
  if (artifact.bytes > LARGEST_GLOBALS) throw new McadsError('damaged', 'the recorded roles are too large to be a list of roles');
  const parts: Uint8Array[] = [];
  for await (const bytes of repository.read(artifact, signal)) parts.push(bytes);
  return Buffer.concat(parts).toString('utf8');
}
