import type { Bytes } from '../../domain/byte-stream.ts';
import type { BuiltDatabase, DatabaseIo, DatabaseRestorer, DatabaseSource, DatabaseTarget } from '../../domain/database-ports.ts';
import { failed, harmlessComplaints, lastWords, unknownComplaints } from './failures.ts';
import { QueryError, type PsqlSession } from './psql-session.ts';
import { quoteIdentifier } from '../../stream/sql-names.ts';
import { checkSpace } from './restore-check.ts';
import { createDatabase, finishDatabase } from './restore-create.ts';
import { dropDatabase } from './restore-drop.ts';
import { recordedDatabase, type RecordedDatabase } from './restore-facts.ts';
import { countSchemas, proveDatabase, type Proven } from './restore-proof.ts';
import { run, told, underOwnSignal, withServer, withSession } from './restore-session.ts';
import { findSpoolDirectory, removeSpools, spool } from './restore-spool.ts';
import { applicationName, endOnServer } from './run-backends.ts';
import { connectTo, toolOptions, type Server } from './server.ts';
import type { Finding } from '../../domain/finding.ts';

type BuildOptions = Parameters<DatabaseRestorer['build']>[4];

/** A dump smaller than this is restored faster than it is written to a file first. */
const SPOOLED_BYTES = 32 * 1024 * 1024;

interface Build {
  readonly server: Server;
  readonly database: string;
  readonly temporary: string;
  /** What `pg_stat_activity` shows of it. */
  readonly application: string;
  readonly recorded: RecordedDatabase;
  readonly options: BuildOptions;
}

/** Makes the database under its temporary name, fills it and compares it with what was recorded. Whatever goes wrong, nothing of it stays. */
export async function buildDatabase(
  target: DatabaseTarget,
  source: DatabaseSource,
  temporary: string,
  dump: Bytes,
  options: BuildOptions,
  io: DatabaseIo,
): Promise<BuiltDatabase> {
  return withServer(target, io, async (server, session) => {
    const build: Build = {
      server,
      database: source.database,
      temporary,
      application: applicationName(io.runId),
      recorded: recordedDatabase(source),
      options,
    };
    const { facts } = server;
    await removeSpools(target, io, facts.dataDirectory, server.osUser);
    const findings = [...(await checkSpace(server, source.database, build.recorded))];
    await dropDatabase(server, session, temporary);
    try {
      await createDatabase(server, session, temporary, source.database, build.recorded.properties);
      findings.push(...(await fill(build, session, dump)));
      const proven = await prove(build);
      await finishDatabase(server, session, temporary, build.recorded.properties);
      return { tables: proven.tables, rows: proven.rows, findings: [...findings, ...proven.findings] };
    } catch (error) {
      await clearAway(build);
      throw told(error, target.service);
    }
  });
}

async function fill(build: Build, session: PsqlSession, dump: Bytes): Promise<readonly Finding[]> {
  const { server, recorded, options, temporary, application } = build;
  const { extensions } = recorded.properties;
  const timescale = extensions['timescaledb'];
  await withSession(server, temporary, application, async (inside) => {
    // template0 has it; a dump says nothing of its having been dropped.
    if (recorded.properties.owner !== '' && extensions['plpgsql'] === undefined)
      await run(inside, server.target.service, 'drop extension if exists plpgsql', 'dropping plpgsql');
    if (timescale === undefined) return;
    await run(inside, server.target.service, `create extension timescaledb version ${quoteIdentifier(timescale)}`, 'timescaledb');
    await inside.query('select timescaledb_pre_restore()');
  });
  const counted = counting(dump, options.onProgress);
  const jobs = timescale === undefined ? Math.max(1, Math.floor(options.jobs)) : 1;
  const directory = jobs === 1 || recorded.bytes < SPOOLED_BYTES ? null : await findSpoolDirectory(server, recorded.bytes);
  const findings: Finding[] = [];
  const tablespaces = await hasTablespaces(session);
  if (directory === null) findings.push(...(await pgRestore(build, tablespaces, [], counted)));
  else {
    await using file = await spool(server, directory, counted);
    findings.push(...(await pgRestore(build, tablespaces, ['-j', String(jobs), file.path], null)));
  }
  if (timescale !== undefined)
    await withSession(server, temporary, application, async (inside) => {
      await inside.query('select timescaledb_post_restore()');
    });
  return findings;
}

async function pgRestore(build: Build, tablespaces: boolean, more: readonly string[], input: Bytes | null): Promise<readonly Finding[]> {
  const { server, database, temporary, application } = build;
  const { target, io } = server;
  const options = toolOptions(server, application, '');
  // A setting of the database itself must not keep it from being filled.
  const environment = { ...options.environment, PGOPTIONS: '-c default_transaction_read_only=off' };
  // Where there is only one place, the dump's names of others would only be errors.
  const places = tablespaces ? [] : ['--no-tablespaces'];
  const argv = ['pg_restore', '--exit-on-error', '--no-password', ...places, '-d', connectTo(server, temporary), ...more];
  const handle = await io.engine.exec(
    target.container.id,
    argv,
    { ...options, environment, ...(input === null ? {} : { input }) },
    io.signal,
  );
  for await (const part of handle.stdout) if (part.length < 0) break; // it writes nothing there
  const exit = await handle.exit;
  if (exit.code !== 0) {
    const killed = exit.code === 137 || exit.code === 143;
    const entry = /from TOC entry \d+; \d+ \d+ (.*)/.exec(exit.stderr)?.[1];
    const reason = lastWords(exit.stderr) || (killed ? 'it was killed' : `it ended with ${exit.code}`);
    throw failed(
      target.service,
      `pg_restore of ${database} failed: ${reason}${entry === undefined ? '' : ` (at ${entry})`}`,
      killed ? 'there may be too little memory for it, or somebody ended the process' : undefined,
    );
  }
  const complaints = unknownComplaints(exit.stderr);
  if (complaints.length > 0) throw failed(target.service, `pg_restore of ${database} complained: ${complaints.slice(0, 3).join('; ')}`);
  return harmlessComplaints(exit.stderr).map((message) => ({
    severity: 'warning',
    code: 'pg-restore-warning',
    subject: `database/${target.service}/${database}`,
    message: message.trim(),
  }));
}

async function prove(build: Build): Promise<Proven> {
  const { server, database, temporary, application, recorded } = build;
  const { service } = server.target;
  return withSession(server, temporary, application, async (inside) => {
    await inside.query('set default_transaction_read_only = off');
    // template0 has a schema public; a dump says nothing of its having been dropped.
    const schemas = recorded.objects.get('schemas');
    if (schemas !== undefined && (await countSchemas(inside)) === schemas + 1) {
      await inside.query('drop schema if exists public').catch((error: unknown) => {
        if (!(error instanceof QueryError)) throw error; // it is not empty, so it was there
      });
    }
    await run(inside, service, 'analyze', `analyzing ${database}`);
    return proveDatabase(inside, service, database, recorded, server.facts.versionNum);
  });
}

/** Not under the run's own, perhaps aborted, signal. What cannot be done now is done when the restore is undone. */
async function clearAway(build: Build): Promise<void> {
  const server = underOwnSignal(build.server);
  await endOnServer(server, build.application);
  try {
    await withSession(server, server.maintenance, 'mcads', async (session) => dropDatabase(server, session, build.temporary));
    await removeSpools(server.target, server.io, server.facts.dataDirectory, server.osUser);
  } catch (error) {
    server.io.warn({
      severity: 'warning',
      code: 'temporary-database-left',
      subject: `database/${server.target.service}/${build.database}`,
      message: `${build.temporary} could not be dropped: ${error instanceof Error ? error.message : String(error)}`,
      hint: 'the next run drops it',
    });
  }
}

async function hasTablespaces(session: PsqlSession): Promise<boolean> {
  return (await session.json(`select to_json(exists (select from pg_tablespace where spcname !~ '^pg_'))`)) === true;
}

async function* counting(bytes: Bytes, onProgress: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  let sum = 0;
  for await (const chunk of bytes) {
    sum += chunk.length;
    onProgress(sum);
    yield chunk;
  }
}
