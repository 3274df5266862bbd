import type { JsonValue } from '../../domain/byte-stream.ts';
import type { Finding } from '../../domain/finding.ts';
import type { DatabaseIo, DatabaseListing, DatabaseTarget } from '../../domain/database-ports.ts';
import { clusterDirectory } from './detect.ts';
import { failed } from './failures.ts';
import { DATABASES, TABLESPACES } from './queries.ts';
import { changedSettings } from './settings.ts';
import { isMissing, runTool } from './run-tool.ts';
import { explained, openServer, toolOptions, type Server } from './server.ts';

interface DatabaseRow {
  readonly name: string;
  readonly allowsConnections: boolean;
  readonly mayConnect: boolean;
  readonly bytes: number | null;
}

/** Which databases there are and what the server is. Rejects `component-failed` with the reason when it cannot be dumped. */
export async function listDatabases(target: DatabaseTarget, io: DatabaseIo): Promise<DatabaseListing> {
  const { server, session } = await openServer(target, io);
  try {
    const rows = (await session.json(DATABASES)) as readonly DatabaseRow[]; // the JSON that our own query builds
    const settings = await changedSettings(session, server);
    const tablespaces = (await session.json(TABLESPACES)) as readonly string[]; // as above
    await session.end();
    const version = await dumpVersion(server);
    const { databases, findings, notDumped } = select(rows, target);
    return {
      databases,
      notDumped,
      server: server.facts.systemIdentifier === null ? null : `${server.facts.systemIdentifier} on ${server.port}`,
      dataDirectory: server.facts.dataDirectory ?? clusterDirectory(target.container),
      furtherDirectories: [...tablespaces, ...walDirectory(target)],
      findings: [...findings, ...serverFindings(server)],
      facts: serverFacts(server, version, settings),
    };
  } catch (error) {
    throw explained(error, target.service);
  } finally {
    await session[Symbol.asyncDispose]();
  }
}

/** Where the official image was told to put the write-ahead log at the first start. */
function walDirectory({ container }: DatabaseTarget): readonly string[] {
  const directory = container.environment['POSTGRES_INITDB_WALDIR'] ?? '';
  return directory === '' ? [] : [directory];
}

/** `pg_dump (PostgreSQL) 15.16 …`. Rejects where the image has none. */
export async function dumpVersion(server: Server): Promise<string> {
  const { target, io } = server;
  const result = await runTool(io, target.container.id, ['pg_dump', '--version'], toolOptions(server, 'mcads'));
  if (result.code === 0) return result.stdout.trim();
  throw failed(
    target.service,
    isMissing(result.code) ? 'its image has no pg_dump' : `pg_dump does not run: ${result.stderr.trim()}`,
    "add PostgreSQL's client tools of the server's version to the image",
  );
}

function select(
  rows: readonly DatabaseRow[],
  target: DatabaseTarget,
): Required<Pick<DatabaseListing, 'databases' | 'findings' | 'notDumped'>> {
  const wanted = target.settings.postgres.databases;
  const findings: Finding[] = [];
  const notDumped: string[] = [];
  const databases: { readonly name: string; readonly bytes: number }[] = [];
  for (const row of rows) {
    if (wanted !== null && !wanted.includes(row.name)) continue;
    const subject = `database/${target.service}/${row.name}`;
    if (!row.allowsConnections) {
      const severity = wanted === null ? 'warning' : 'error';
      notDumped.push(row.name);
      findings.push({
        severity,
        code: 'database-closed',
        subject,
        message: `database ${row.name} allows no connections and cannot be dumped`,
        hint: 'alter database … allow_connections true, or drop it',
      });
    } else if (!row.mayConnect) {
      findings.push({
        severity: 'error',
        code: 'database-forbidden',
        subject,
        message: `the user may not connect to database ${row.name}`,
        hint: 'name a superuser with mcads.postgres.user',
      });
    } else databases.push({ name: row.name, bytes: row.bytes ?? 0 });
  }
  for (const name of wanted ?? []) {
    if (rows.some((row) => row.name === name)) continue;
    findings.push({
      severity: 'error',
      code: 'database-missing',
      subject: `database/${target.service}/${name}`,
      message: `mcads.postgres.databases names ${name}, which does not exist`,
      hint: `there are: ${rows.map((row) => row.name).join(', ')}`,
    });
  }
  const left = rows.filter((row) => wanted !== null && !wanted.includes(row.name)).map((row) => row.name);
  if (left.length > 0) {
    findings.push({
      severity: 'info',
      code: 'database-not-selected',
      subject: `service ${target.service}`,
      message: `not in mcads.postgres.databases, so not dumped: ${left.join(', ')}`,
    });
  }
  return { databases, findings, notDumped };
}

function serverFindings(server: Server): readonly Finding[] {
  const { target, facts, credentials } = server;
  const subject = `service ${target.service}`;
  const findings: Finding[] = [];
  if (!facts.isSuperuser) {
    findings.push({
      severity: 'warning',
      code: 'not-superuser',
      subject,
      message: `${credentials.user} is no superuser: roles are saved without their passwords, and tables it may not read fail the dump`,
      hint: 'name a superuser with mcads.postgres.user and mcads.postgres.passwordFile',
    });
  }
  if (facts.inRecovery) {
    findings.push({
      severity: 'warning',
      code: 'standby',
      subject,
      message: 'the server is a standby: what it has not replayed yet and unlogged tables are not in the dump',
    });
  }
  return findings;
}

/** `version` of pg_dump and changed settings where they are known. */
export function serverFacts(
  server: Server,
  version: string | null,
  settings: Readonly<Record<string, string>> | null,
): Readonly<Record<string, JsonValue>> {
  const { facts, target, credentials } = server;
  return {
    engine: 'postgres',
    serverVersion: facts.version,
    serverVersionNum: facts.versionNum,
    ...(version === null ? {} : { pgDumpVersion: version }),
    systemIdentifier: facts.systemIdentifier,
    inRecovery: facts.inRecovery,
    superuser: facts.isSuperuser,
    user: credentials.user,
    image: target.container.image,
    imageId: target.container.imageId,
    imageDigests: target.container.imageDigests,
    dataDirectory: facts.dataDirectory,
    ...(settings === null ? {} : { settings }),
  };
}
