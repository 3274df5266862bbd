import { failed } from './failures.ts';
import { quoteIdentifier, quoteLiteral } from '../../stream/sql-names.ts';
import type { PsqlSession } from './psql-session.ts';
import { majorOf, type DatabaseProperties } from './restore-facts.ts';
import { run } from './restore-session.ts';
import type { Server } from './server.ts';

/** Settings whose value is a list of names, each of which is quoted by itself. */
const NAME_LISTS: ReadonlySet<string> = new Set([
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'shared_preload_libraries',
  'temp_tablespaces',
  'unix_socket_directories',
]);

/** Makes an empty database with what was recorded of the dumped one, but what would be in the way of filling it (see `finishDatabase`). */
export async function createDatabase(
  server: Server,
  session: PsqlSession,
  name: string,
  database: string,
  properties: DatabaseProperties,
): Promise<void> {
  const { service } = server.target;
  const what = `database ${database} cannot be made beside the one that is there`;
  const roles = await missing(session, 'rolname', 'pg_roles', [properties.owner, ...properties.settings.flatMap(({ role }) => role ?? [])]);
  if (roles.length > 0)
    throw failed(service, `${what}: there is no role ${roles.join(', ')}`, 'restore the roles with it: --component globals/…');
  const tablespaces = await missing(session, 'spcname', 'pg_tablespace', properties.tablespace === null ? [] : [properties.tablespace]);
  const tablespace = tablespaces.length > 0 ? null : properties.tablespace;
  await run(session, service, creation(name, properties, majorOf(server.facts.versionNum), tablespace), what);
  await grant(session, server, name, properties, what);
  const quoted = quoteIdentifier(name);
  if (properties.comment !== null)
    await run(session, service, `comment on database ${quoted} is ${quoteLiteral(properties.comment)}`, what);
  for (const { role, settings } of properties.settings) {
    const whose = role === null ? `alter database ${quoted}` : `alter role ${quoteIdentifier(role)} in database ${quoted}`;
    for (const setting of settings) await run(session, service, `${whose} ${settingOf(setting)}`, `${what}, setting ${nameOf(setting)}`);
  }
}

/** What keeps others, or us, out: for when all is in it. */
export async function finishDatabase(server: Server, session: PsqlSession, name: string, properties: DatabaseProperties): Promise<void> {
  const { service } = server.target;
  const quoted = quoteIdentifier(name);
  if (properties.connectionLimit !== -1)
    await run(session, service, `alter database ${quoted} with connection limit ${properties.connectionLimit}`, 'its connection limit');
  if (properties.isTemplate) await run(session, service, `alter database ${quoted} with is_template true`, 'making it a template');
}

/** Pure. */
export function creation(name: string, properties: DatabaseProperties, major: number, tablespace: string | null): string {
  const { collate, ctype, locale, localeProvider, icuRules } = properties;
  const options = [`template template0`, `encoding ${quoteLiteral(properties.encoding)}`];
  if (properties.owner !== '') options.push(`owner ${quoteIdentifier(properties.owner)}`);
  if (collate !== null) options.push(`lc_collate ${quoteLiteral(collate)}`);
  if (ctype !== null) options.push(`lc_ctype ${quoteLiteral(ctype)}`);
  if (major >= 15) options.push(`locale_provider ${localeProvider === 'i' ? 'icu' : localeProvider === 'b' ? 'builtin' : 'libc'}`);
  if (localeProvider === 'i' && locale !== null) options.push(`icu_locale ${quoteLiteral(locale)}`);
  if (localeProvider === 'i' && icuRules !== null) options.push(`icu_rules ${quoteLiteral(icuRules)}`);
  if (localeProvider === 'b' && locale !== null) options.push(`builtin_locale ${quoteLiteral(locale)}`);
  if (tablespace !== null && tablespace !== 'pg_default') options.push(`tablespace ${quoteIdentifier(tablespace)}`);
  return `create database ${quoteIdentifier(name)} ${options.join(' ')}`;
}

interface Grant {
  readonly grantor: string;
  /** Null: PUBLIC. */
  readonly grantee: string | null;
  readonly privilege: string;
  readonly grantable: boolean;
}

/** The server itself takes its texts of access rights apart: names in them may be quoted. */
async function grant(session: PsqlSession, server: Server, name: string, { acl, owner }: DatabaseProperties, what: string): Promise<void> {
  if (acl === null) return;
  const { service } = server.target;
  const quoted = quoteIdentifier(name);
  for (const whose of ['public', quoteIdentifier(owner)])
    await run(session, service, `revoke all on database ${quoted} from ${whose}`, what);
  if (acl.length === 0) return;
  const explode = `select json_agg(json_build_object('grantor', pg_get_userbyid(grantor), 'grantee', case grantee when 0 then null else pg_get_userbyid(grantee) end,
    'privilege', privilege_type, 'grantable', is_grantable) order by n)
    from aclexplode(array[${acl.map(quoteLiteral).join(', ')}]::aclitem[]) with ordinality as a (grantor, grantee, privilege_type, is_grantable, n)`;
  let grants: readonly Grant[];
  try {
    grants = (await session.json(explode)) as readonly Grant[]; // the JSON that our own query builds
  } catch (error) {
    throw failed(
      service,
      `${what}: its access rights name a role that is not there`,
      'restore the roles with it: --component globals/…',
      error,
    );
  }
  for (const { grantor, grantee, privilege, grantable } of grants) {
    const option = grantable ? ' with grant option' : '';
    const sql = `grant ${privilege} on database ${quoted} to ${grantee === null ? 'public' : quoteIdentifier(grantee)}${option}`;
    // A right that was passed on is the right of who passed it on.
    const passedOn = grantor !== owner && server.facts.isSuperuser;
    if (passedOn) await run(session, service, `set session authorization ${quoteIdentifier(grantor)}`, what);
    await run(session, service, sql, what);
    if (passedOn) await run(session, service, 'reset session authorization', what);
  }
}

async function missing(session: PsqlSession, column: string, catalog: string, names: readonly string[]): Promise<readonly string[]> {
  const wanted = names.filter((name) => name !== '');
  if (wanted.length === 0) return [];
  const there = (await session.json(
    `select coalesce(json_agg(${column}), '[]') from ${catalog} where ${column} in (${wanted.map(quoteLiteral).join(', ')})`,
  )) as readonly string[]; // the JSON that our own query builds
  return [...new Set(wanted)].filter((name) => !there.includes(name));
}

function nameOf(setting: string): string {
  return setting.slice(0, Math.max(0, setting.indexOf('=')));
}

/** Pure: `set … to …` from `name=value` as the catalog holds it. */
export function settingOf(setting: string): string {
  const name = nameOf(setting);
  const value = setting.slice(name.length + 1);
  const values = NAME_LISTS.has(name.toLowerCase()) ? splitNames(value) : [value];
  return `set ${quoteIdentifier(name)} to ${(values.length === 0 ? [''] : values).map(quoteLiteral).join(', ')}`;
}

/** `a, "B c"` → a, B c. */
function splitNames(list: string): readonly string[] {
  return [...list.matchAll(/\s*(?:"((?:[^"]|"")*)"|([^,]+))\s*(?:,|$)/g)].map(([, quoted, plain]) =>
    quoted === undefined ? (plain ?? '').trim() : quoted.replaceAll('""', '"'),
  );
}
