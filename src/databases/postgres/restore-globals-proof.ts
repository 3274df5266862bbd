import { McadsError } from '../../errors.ts';
import type { GlobalStatement } from './globals-text.ts';
import { quoteLiteral } from '../../stream/sql-names.ts';
import type { PsqlSession } from './psql-session.ts';

interface RoleRow {
  readonly flags: Readonly<Record<string, boolean>>;
  readonly connectionLimit: number;
  /** Names of its settings in all databases, lower case. */
  readonly settings: readonly string[];
}

/** Compares what was applied with the server's catalog; rejects `proof-failed` with the first difference. */
export async function proveGlobals(
  session: PsqlSession,
  applied: readonly GlobalStatement[],
  isSuperuser: boolean,
  service: string,
): Promise<void> {
  const differs = (what: string): never => {
    throw new McadsError('proof-failed', `service ${service}: ${what} after the roles were brought back`);
  };
  const names = [...new Set(applied.flatMap((one) => ('role' in one ? [one.role] : [])))];
  if (names.length === 0) return;
  const list = names.map(quoteLiteral).join(', ');
  const rows = (await session.json(rolesQuery(list))) as Readonly<Record<string, RoleRow>>; // the JSON that our own query builds
  const members = new Set((await session.json(MEMBERS)) as readonly string[]); // as above
  const verifiers = isSuperuser ? ((await session.json(verifiersQuery(list))) as Readonly<Record<string, string | null>>) : null; // as above
  for (const one of applied) {
    if (one.kind === 'member') {
      if (!members.has(JSON.stringify([one.group, one.member]))) differs(`${one.member} is no member of ${one.group}`);
      continue;
    }
    if (!('role' in one)) continue;
    const row = rows[one.role];
    if (row === undefined) return differs(`role ${one.role} is not there`);
    if (one.kind === 'setting' && !row.settings.includes(one.name)) differs(`role ${one.role} lacks its setting ${one.name}`);
    if (one.kind !== 'alter') continue;
    for (const [flag, wanted] of Object.entries(one.options.flags))
      if (row.flags[flag] !== wanted) differs(`role ${one.role} has ${flag} ${String(row.flags[flag])} instead of ${String(wanted)}`);
    const { connectionLimit, password } = one.options;
    if (connectionLimit !== null && row.connectionLimit !== connectionLimit)
      differs(`role ${one.role} has connection limit ${row.connectionLimit} instead of ${connectionLimit}`);
    if (password !== null && verifiers !== null && verifiers[one.role] !== password) differs(`role ${one.role} has another password`);
  }
}

function rolesQuery(list: string): string {
  return `select coalesce(json_object_agg(rolname, json_build_object(
  'flags', json_build_object('rolsuper', rolsuper, 'rolinherit', rolinherit, 'rolcreaterole', rolcreaterole, 'rolcreatedb', rolcreatedb,
    'rolcanlogin', rolcanlogin, 'rolreplication', rolreplication, 'rolbypassrls', rolbypassrls),
  'connectionLimit', rolconnlimit,
  'settings', (select coalesce(json_agg(lower(split_part(c, '=', 1))), '[]') from unnest(rolconfig) c))), '{}')
  from pg_roles where rolname in (${list})`;
}

/** Pairs as JSON text, as JSON.stringify writes them. */
const MEMBERS = `select coalesce(json_agg('[' || to_json(g.rolname::text)::text || ',' || to_json(m.rolname::text)::text || ']'), '[]')
  from pg_auth_members a join pg_roles g on g.oid = a.roleid join pg_roles m on m.oid = a.member`;

function verifiersQuery(list: string): string {
  return `select coalesce(json_object_agg(rolname, rolpassword), '{}') from pg_authid where rolname in (${list})`;
}
