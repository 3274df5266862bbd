import type { DatabaseIo, DatabaseRestorer, DatabaseTarget } from '../../domain/database-ports.ts';
import type { Finding } from '../../domain/finding.ts';
import { McadsError, messageOf } from '../../errors.ts';
import { failed } from './failures.ts';
import { hasStandardStrings, parseGlobals, splitStatements, type GlobalStatement } from './globals-text.ts';
import { quoteIdentifier, quoteLiteral } from '../../stream/sql-names.ts';
import { QueryError, SessionEnded, type PsqlSession } from './psql-session.ts';
import { proveGlobals } from './restore-globals-proof.ts';
import { undoOf } from './restore-globals-undo.ts';
import { withServer } from './restore-session.ts';
import { runTool } from './run-tool.ts';
import { connectTo, toolOptions, type Server } from './server.ts';

type Applied = Awaited<ReturnType<DatabaseRestorer['applyGlobals']>>;

/** Statements hold password verifiers: the server shall write none of them down. What it does not let us set stays as it is. */
const KEEP_QUIET = `select count(set_config(name, case name when 'log_statement' then 'none' when 'log_min_error_statement' then 'panic'
  when 'log_min_duration_statement' then '-1' when 'log_min_duration_sample' then '-1' else 'off' end, false)) from pg_settings
  where name in ('log_statement', 'log_min_error_statement', 'log_min_duration_statement', 'log_min_duration_sample', 'log_duration', 'pg_stat_statements.track_utility')`;

export async function missingRoles(target: DatabaseTarget, globals: string, io: DatabaseIo): Promise<readonly string[]> {
  return withServer(target, io, async (_server, session) => {
    const there = await rolesThere(session);
    return rolesOf(parseGlobals(globals)).filter((role) => !there.has(role));
  });
}

/** Either all that was asked for, compared with the server's catalog, or nothing. */
export async function applyGlobals(target: DatabaseTarget, globals: string, mode: 'missing' | 'all', io: DatabaseIo): Promise<Applied> {
  return guarded(target, io, async (server, session) => {
    const statements = parseGlobals(globals);
    const there = await rolesThere(session);
    const created = new Set(rolesOf(statements).filter((role) => !there.has(role)));
    const chosen = choose(statements, there, mode === 'all' ? null : created);
    const touchesOld = mode === 'all' && rolesOf(statements).some((role) => there.has(role));
    const { isSuperuser } = server.facts;
    if (!isSuperuser && chosen.some((one) => one.kind === 'alter' && there.has(one.role) && one.options.password !== null)) {
      throw failed(
        target.service,
        `the passwords of roles that are there can only be replaced by a superuser, who can read what to go back to`,
        'name a superuser with mcads.postgres.user and mcads.postgres.passwordFile',
      );
    }
    const undo = touchesOld ? undoOf(chosen, parseGlobals(await readGlobals(server)), there, isSuperuser) : null;
    const findings = await notesOn(session, statements, target.service);
    await inTransaction(session, target.service, hasStandardStrings(globals), async () => {
      if (touchesOld) await resetOld(session, target.service, chosen, there);
      for (const statement of chosen) findings.push(...(await apply(session, target.service, statement)));
      await proveGlobals(session, chosen, isSuperuser, target.service);
    });
    return { undo, findings };
  });
}

/** What saved roles leave out is the default: roles that are there lose what they got since. */
async function resetOld(
  session: PsqlSession,
  service: string,
  chosen: readonly GlobalStatement[],
  there: ReadonlySet<string>,
): Promise<void> {
  const expiring = new Set((await session.json(EXPIRING)) as readonly string[]); // the JSON that our own query builds
  for (const one of chosen) {
    if (one.kind !== 'alter' || !there.has(one.role)) continue;
    const role = quoteIdentifier(one.role);
    const forever = expiring.has(one.role) ? " VALID UNTIL 'infinity'" : '';
    await execute(session, service, `role ${one.role}`, `ALTER ROLE ${role} WITH CONNECTION LIMIT -1${forever}`);
    await execute(session, service, `role ${one.role}`, `ALTER ROLE ${role} RESET ALL`);
    await execute(session, service, `role ${one.role}`, `COMMENT ON ROLE ${role} IS NULL`);
  }
}

const EXPIRING = `select coalesce(json_agg(rolname), '[]') from pg_roles where rolvaliduntil < 'infinity'`;

/** Statements as `applyGlobals` handed them out, in one transaction. */
export async function runGlobals(target: DatabaseTarget, statements: string, io: DatabaseIo): Promise<void> {
  await guarded(target, io, async (_server, session) => {
    await inTransaction(session, target.service, true, async () => {
      for (const sql of splitStatements(statements)) await execute(session, target.service, 'taking back what was done to roles', sql);
    });
  });
}

/** Roles that a restore made; missing ones are no error. Rejects `component-failed` while something else has come to depend on them. */
export async function dropRoles(target: DatabaseTarget, roles: readonly string[], io: DatabaseIo): Promise<void> {
  await guarded(target, io, async (server, session) => {
    const there = await rolesThere(session);
    const names = roles.filter((role) => there.has(role));
    if (names.length === 0) return;
    await inTransaction(session, target.service, true, async () => {
      if (server.facts.versionNum >= 150_000) {
        const grants = (await session.json(parameterGrants(names))) as readonly { readonly parameter: string; readonly role: string }[]; // the JSON that our own query builds
        for (const { parameter, role } of grants)
          await execute(
            session,
            target.service,
            `role ${role}`,
            `revoke all on parameter ${quoteIdentifier(parameter)} from ${quoteIdentifier(role)}`,
          );
      }
      // All in one: they may have granted roles to one another.
      await execute(
        session,
        target.service,
        `dropping the roles ${names.join(', ')}`,
        `drop role ${names.map(quoteIdentifier).join(', ')}`,
      );
    });
  });
}

/** Statements to run: those of created roles alone where these are given, else all; nobody is made twice and tablespaces never. */
function choose(
  statements: readonly GlobalStatement[],
  there: ReadonlySet<string>,
  created: ReadonlySet<string> | null,
): readonly GlobalStatement[] {
  const concerns = (role: string): boolean => created === null || created.has(role);
  return statements.filter((one) => {
    switch (one.kind) {
      case 'create':
        return !there.has(one.role);
      case 'alter':
      case 'setting':
      case 'comment':
      case 'label':
      case 'parameter':
        return concerns(one.role);
      case 'member':
        return concerns(one.group) || concerns(one.member);
      case 'tablespace':
      case 'unknown':
        return false;
    }
  });
}

async function apply(session: PsqlSession, service: string, statement: GlobalStatement): Promise<readonly Finding[]> {
  if (statement.kind === 'parameter' && statement.as !== null) {
    await execute(session, service, `role ${statement.as}`, `set session authorization ${quoteIdentifier(statement.as)}`);
    await execute(session, service, `role ${statement.role}`, statement.sql);
    await execute(session, service, `role ${statement.role}`, 'reset session authorization');
    return [];
  }
  if (statement.kind !== 'member' || statement.grantor === null) {
    await execute(session, service, subjectOf(statement), statement.sql);
    return [];
  }
  await session.query('savepoint grantor');
  try {
    await session.query(statement.sql);
    return [];
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    // Newer servers want a grantor who may grant; older ones wrote down whoever did.
    await session.query('rollback to savepoint grantor');
    await execute(session, service, subjectOf(statement), statement.plainSql);
    const { group, member, grantor } = statement;
    const message = `${member} is a member of ${group} again, but not by the grant of ${grantor}: ${withoutSecrets(error.message)}`;
    return [{ severity: 'info', code: 'role-grantor-changed', subject: `globals/${service}`, message }];
  }
}

function subjectOf(statement: GlobalStatement): string {
  if (statement.kind === 'member') return `membership of ${statement.member} in ${statement.group}`;
  return 'role' in statement ? `role ${statement.role}` : statement.kind;
}

async function inTransaction(session: PsqlSession, service: string, standardStrings: boolean, work: () => Promise<void>): Promise<void> {
  await session.query(`set standard_conforming_strings = ${standardStrings ? 'on' : 'off'}`);
  await session.query('begin');
  try {
    await work();
    await execute(session, service, 'committing roles', 'commit');
  } catch (error) {
    if (!(error instanceof SessionEnded)) await session.query('rollback');
    throw error;
  }
}

/** What the server refuses is told without the statement, which may hold a verifier. */
async function execute(session: PsqlSession, service: string, what: string, sql: string): Promise<void> {
  try {
    await session.query(sql);
  } catch (error) {
    if (error instanceof QueryError) throw failed(service, `${what}: ${withoutSecrets(error.message)}`);
    throw error;
  }
}

/** As `withServer`; whatever goes wrong is told without secrets and without its cause. */
async function guarded<T>(target: DatabaseTarget, io: DatabaseIo, work: (server: Server, session: PsqlSession) => Promise<T>): Promise<T> {
  try {
    return await withServer(target, io, async (server, session) => {
      await session.query(KEEP_QUIET).catch((error: unknown) => {
        if (!(error instanceof QueryError)) throw error; // only a superuser may
      });
      return work(server, session);
    });
  } catch (error) {
    if (error instanceof McadsError && io.signal.aborted) throw error;
    const code = error instanceof McadsError ? error.code : 'component-failed';
    throw new McadsError(code, withoutSecrets(messageOf(error)), { hint: error instanceof McadsError ? error.hint : undefined });
  }
}

export function withoutSecrets(text: string): string {
  return text.replaceAll(/SCRAM-SHA-256\S*|\bmd5[0-9a-f]{32}\b|(?<=PASSWORD )E?'(?:[^']|'')*'?/gi, '[secret]');
}

function rolesOf(statements: readonly GlobalStatement[]): readonly string[] {
  return [...new Set(statements.flatMap((one) => (one.kind === 'create' ? [one.role] : [])))];
}

async function rolesThere(session: PsqlSession): Promise<ReadonlySet<string>> {
  return new Set((await session.json(`select json_agg(rolname) from pg_roles`)) as readonly string[]); // the JSON that our own query builds
}

/** `pg_dumpall` as it is now. */
async function readGlobals(server: Server): Promise<string> {
  const { target, io } = server;
  const limited = server.facts.isSuperuser ? [] : ['--no-role-passwords'];
  const way = ['-l', server.maintenance, '-d', connectTo(server, server.maintenance)];
  const argv = ['pg_dumpall', '--roles-only', '--no-password', ...limited, ...way];
  const options = toolOptions(server, 'mcads');
  const strings = { ...options, environment: { ...options.environment, PGOPTIONS: '-c standard_conforming_strings=on' } };
  const result = await runTool(io, target.container.id, argv, strings);
  if (result.code !== 0)
    throw failed(target.service, `the roles that are there could not be read: ${withoutSecrets(result.stderr.trim())}`);
  return result.stdout;
}

async function notesOn(session: PsqlSession, statements: readonly GlobalStatement[], service: string): Promise<Finding[]> {
  const there = new Set((await session.json('select json_agg(spcname) from pg_tablespace')) as readonly string[]); // the JSON that our own query builds
  const missing = new Set(statements.flatMap((one) => (one.kind === 'tablespace' && !there.has(one.name) ? [one.name] : [])));
  const unknown = statements.filter(({ kind }) => kind === 'unknown').map(({ sql }) => sql.split(/\s+/).slice(0, 2).join(' '));
  const warn = (code: string, message: string): Finding => ({ severity: 'warning', code, subject: `globals/${service}`, message });
  return [
    ...[...missing].map((name) =>
      warn('tablespace-missing', `tablespace ${name} is not made: its directory belongs to the machine it was on`),
    ),
    ...[...new Set(unknown)].map((start) =>
      warn('globals-unknown', `a statement of the saved roles is not understood and left out: ${start} …`),
    ),
  ];
}

function parameterGrants(roles: readonly string[]): string {
  return `select coalesce(json_agg(distinct jsonb_build_object('parameter', p.parname, 'role', r.rolname)), '[]')
  from pg_parameter_acl p, aclexplode(p.paracl) a join pg_roles r on r.oid = a.grantee where r.rolname in (${roles.map(quoteLiteral).join(', ')})`;
}
