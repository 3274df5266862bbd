import { decodeIdPart } from '../domain/component.ts';
import type { DatabaseAdapter, DatabaseIo } from '../domain/database-ports.ts';
import type { EngineContainer } from '../domain/engine-model.ts';
import type { Finding } from '../domain/finding.ts';
import { serverContainerId } from '../domain/host.ts';
import type { ManifestArtifact } from '../domain/manifest.ts';
import type { NamedContainer, PlannedRestore, Recreation } from '../domain/restore.ts';
import { McadsError } from '../errors.ts';
import type { RestorePorts, RestoreRequest } from './restore-requests.ts';
import { serviceOf, type RestoreSelection, type SelectedForRestore } from './restore-selection.ts';
import type { RestoreSituation } from './restore-situation.ts';
import { artifactsOf } from './select-components.ts';

/** What each dump was made by. */
const ADAPTERS: Partial<Record<ManifestArtifact['format'], string>> = { pgdump: 'postgres', sql: 'postgres' };

/** What happens to each database and to the roles; servers that run are asked whether they can take them. */
export async function planRestoreDatabases(
  selection: RestoreSelection,
  situation: RestoreSituation,
  full: Recreation | null,
  ports: RestorePorts,
  signal: AbortSignal,
  findings: Finding[],
): Promise<readonly PlannedRestore[]> {
  const planned: PlannedRestore[] = [];
  for (const one of selection.components) {
    if (one.kind !== 'database' && one.kind !== 'globals') continue;
    signal.throwIfAborted();
    const { name: service, number } = serviceOf(one.id);
    const adapter = adapterFor(one, ports.adapters);
    if (isStandbyOf(one, selection)) {
      findings.push(standbyFinding(one.id));
      const how = 'a standby: it gets this from its primary';
      planned.push({ id: one.id, bytes: one.details.bytes, facts: one.details.facts, action: 'keep', how, target: { kind: 'state' } });
      continue;
    }
    const live = liveContainer(situation, service, number);
    if (live === null) assertIsMade(one, service, full);
    const container: NamedContainer | null = live === null ? null : { id: live.id, name: live.name };
    const common = { id: one.id, bytes: one.details.bytes, facts: one.details.facts };
    if (one.kind === 'globals') {
      const mode = selection.namesGlobals(one.id) ? 'all' : 'missing';
      const how = mode === 'all' ? `roles of ${service} become as recorded` : `makes roles that ${service} lacks; existing ones stay`;
      planned.push({
        ...common,
        action: mode === 'all' ? 'replace' : 'create',
        how,
        target: { kind: 'globals', adapter: adapter.engine, service, container, mode },
      });
      continue;
    }
    const database = decodeIdPart(one.id.split('/')[2] ?? '');
    const exists = live?.state === 'running' ? await check(one, database, live, situation, adapter, ports, signal, findings) : null;
    const names = adapter.restorer.names(database, ports.run);
    planned.push({
      ...common,
      action: exists === true ? 'replace' : 'create',
      how: words(database, service, exists, live),
      target: { kind: 'database', adapter: adapter.engine, service, database, ...names, container, exists },
    });
  }
  return planned;
}

async function check(
  one: SelectedForRestore,
  database: string,
  container: EngineContainer,
  situation: RestoreSituation,
  adapter: DatabaseAdapter,
  ports: RestorePorts,
  signal: AbortSignal,
  findings: Finding[],
): Promise<boolean> {
  const { name: service } = serviceOf(one.id);
  const { settings } = ports.settingsFor(situation.model).forService(service, container.labels);
  const io: DatabaseIo = { engine: ports.engine, runId: ports.run, signal, warn: (finding) => findings.push(finding) };
  const checked = await adapter.restorer.check({ service, container, settings }, { database, facts: one.details.facts }, io);
  findings.push(...checked.findings);
  return checked.exists;
}

function words(database: string, service: string, exists: boolean | null, live: EngineContainer | null): string {
  if (exists === true) return `replaces database ${database} of ${service}`;
  if (exists === false || live === null) return `makes database ${database} in ${service}`;
  return `makes or replaces database ${database} of ${service}, which does not run now and is started for it`;
}

/**
 * A database that the application of a host reaches over the network: the server that its `.env` names has to be the one that was dumped. Where it is
 * not, the component stays in the snapshot, and a finding says so.
 */
export async function planHostDatabase(
  one: SelectedForRestore,
  request: RestoreRequest,
  ports: RestorePorts,
  signal: AbortSignal,
  findings: Finding[],
): Promise<PlannedRestore> {
  const { name: service } = serviceOf(one.id);
  const database = decodeIdPart(one.id.split('/')[2] ?? '');
  const common = { id: one.id, bytes: one.details.bytes, facts: one.details.facts };
  const adapter = adapterFor(one, ports.adapters);
  const container = await serverNamed(service, database, ports, signal);
  if (container instanceof McadsError) {
    findings.push({
      severity: 'error',
      code: 'not-restored',
      subject: one.id,
      message: `${one.id} is NOT brought back: ${container.message}`,
      hint: `${container.hint ?? ''} and restore it then (--component '${one.id}'), or extract it: mcads-orchestrate extract ${request.snapshot} ${one.id} --target DIR`,
    });
    return { ...common, action: 'keep', how: 'stays in the snapshot: extract gets it', target: { kind: 'state' } };
  }
  const { settings } = ports.settingsFor(null).forService(service, {});
  const io: DatabaseIo = { engine: ports.engine, runId: ports.run, signal, warn: (finding) => findings.push(finding) };
  const checked = await adapter.restorer.check({ service, container, settings }, { database, facts: one.details.facts }, io);
  findings.push(...checked.findings);
  return {
    ...common,
    action: checked.exists ? 'replace' : 'create',
    how: `${checked.exists ? 'replaces' : 'makes'} database ${database} at ${container.name}`,
    target: {
      kind: 'database',
      adapter: adapter.engine,
      service,
      database,
      ...adapter.restorer.names(database, ports.run),
      container: { id: container.id, name: container.name },
      exists: checked.exists,
    },
  };
}

/** Why not, where `.env` names another server or another database of it: an application that was copied must not replace the original's. */
async function serverNamed(
  service: string,
  database: string,
  { engine }: RestorePorts,
  signal: AbortSignal,
): Promise<EngineContainer | McadsError> {
  try {
    const container = await engine.findContainer(serverContainerId(service), signal);
    if (container === null) return new McadsError('unexpected', `there is no server ${service}`);
    const named = container.environment['POSTGRES_DB'];
    return named === database
      ? container
      : new McadsError('component-failed', `.env names the database ${named ?? ''} of that server, and ${database} is wanted`, {
          hint: 'put its DATABASE_URL there',
        });
  } catch (error) {
    if (error instanceof McadsError && error.code === 'component-failed') return error;
    throw error;
  }
}

/** Captured from a standby of a server whose databases are restored too: it takes no changes, and gets these from there. */
function isStandbyOf({ details: { facts } }: SelectedForRestore, { components }: RestoreSelection): boolean {
  if (facts['inRecovery'] !== true || typeof facts['systemIdentifier'] !== 'string') return false;
  return components.some(
    ({ kind, details }) =>
      kind === 'database' && details.facts['inRecovery'] === false && details.facts['systemIdentifier'] === facts['systemIdentifier'],
  );
}

function standbyFinding(subject: string): Finding {
  const message = 'it was captured from a standby, which takes no changes: it follows its primary, which is restored';
  return {
    severity: 'info',
    code: 'standby',
    subject,
    message,
    hint: 'if it cannot go on from there, make its data directory anew (pg_basebackup)',
  };
}

/** The container of a service that runs, or would. */
function liveContainer({ view, project }: RestoreSituation, service: string, number: number): EngineContainer | null {
  const found = view.containers.find((container) => container.service === service && container.number === number && !container.oneOff);
  if (found?.state === 'paused') {
    throw new McadsError('component-failed', `${found.name} is paused, so its databases cannot be brought back`, {
      hint: `docker compose -p ${project} unpause ${service}`,
    });
  }
  return found ?? null;
}

function assertIsMade(one: SelectedForRestore, service: string, full: Recreation | null): void {
  if (full?.containers.some((container) => container.service === service) === true) return;
  throw new McadsError('component-failed', `${one.id} needs a container of service ${service}, and there is none, nor was one recorded`, {
    hint: `start it: docker compose up -d ${service}`,
  });
}

export function adapterFor(one: SelectedForRestore, adapters: readonly DatabaseAdapter[]): DatabaseAdapter {
  const { format } = artifactsOf(one.component).data;
  const found = adapters.find(({ engine }) => engine === ADAPTERS[format]);
  if (found === undefined) throw new McadsError('component-failed', `this version cannot restore ${one.id}, which is stored as ${format}`);
  return found;
}
