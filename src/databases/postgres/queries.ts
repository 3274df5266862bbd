import { OURS_IN_SQL } from './restore-names.ts';

/**
 * What is asked of the server, each answer one line of JSON: names may hold quotes, spaces and newlines.
 * Written for PostgreSQL 12 and later. psql reads these, so no `:name` outside quotes.
 */

export const SERVER_FACTS = `select json_build_object(
  'version', current_setting('server_version'),
  'versionNum', current_setting('server_version_num')::int,
  'inRecovery', pg_is_in_recovery(),
  'isSuperuser', current_setting('is_superuser') = 'on',
  'dataDirectory', (select setting from pg_settings where name = 'data_directory'),
  'listenAddresses', current_setting('listen_addresses'),
  'listenAddressesFrom', (select source from pg_settings where name = 'listen_addresses'),
  'systemIdentifier', (select system_identifier::text from pg_control_system()))`;

/** Every database but the two that every cluster has and those of restores; a template of the user's own holds state too. */
export const DATABASES = `select coalesce(json_agg(json_build_object(
  'name', datname,
  'allowsConnections', datallowconn and datconnlimit <> -2,
  'mayConnect', has_database_privilege(oid, 'CONNECT'),
  'bytes', case when has_database_privilege(oid, 'CONNECT') then pg_database_size(oid) end)
  order by datname), '[]') from pg_database where datname not in ('template0', 'template1') and datname !~ ${OURS_IN_SQL}`;

/** Where tablespaces lie outside of the data directory. */
export const TABLESPACES = `select coalesce(json_agg(pg_tablespace_location(oid)), '[]') from pg_tablespace where pg_tablespace_location(oid) like '/%'`;

/** Settings that somebody changed, without those that hold secrets. */
export const CHANGED_SETTINGS = `select coalesce(json_object_agg(name, setting), '{}') from pg_settings
  where source not in ('default', 'override', 'client', 'session') and name not in ('primary_conninfo', 'ssl_passphrase_command')`;

/** Who may come in, and how: a digest of it. Superusers only. */
export const HBA_RULES = `select to_json(md5(coalesce(string_agg(concat_ws(' ', type, database::text, user_name::text, address, netmask, auth_method, options::text), E'\\n' order by line_number), '')))
  from pg_hba_file_rules`;

/** Our own backends of runs that are over: they hold locks and keep vacuum back. */
export function endOrphans(likeOurs: string, notThisRun: string): string {
  return `select coalesce(json_agg(application_name), '[]') from (
    select application_name, pg_terminate_backend(pid) from pg_stat_activity
    where application_name like ${likeOurs} and application_name not like ${notThisRun} and pid <> pg_backend_pid()) ended`;
}

export function endBackends(application: string): string {
  return `select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = ${application} and pid <> pg_backend_pid()`;
}

/** Timeouts of the server would end the session that holds the snapshot. */
export const NO_TIMEOUTS = `select count(set_config(name, '0', false)) from pg_settings
  where name in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout')`;

export const EXPORT_SNAPSHOT = `select json_build_object(
  'snapshot', pg_export_snapshot(),
  'at', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
  'lsn', case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end)`;

const OWN_SCHEMA = `n.nspname !~ '^pg_' and n.nspname <> 'information_schema'`;

function notOfExtension(catalog: string, oid: string): string {
  return `not exists (select from pg_depend d where d.classid = '${catalog}'::regclass and d.objid = ${oid} and d.deptype = 'e')`;
}

/**
 * Tables whose rows pg_dump writes: ordinary ones and partitions, no temporary ones, no members of extensions.
 * `file` changes when a table is truncated or rewritten. Takes no lock on a table: one that is locked must not hold us up here.
 */
export const TABLES = `select coalesce(json_agg(json_build_object(
  'schema', n.nspname, 'table', c.relname, 'oid', c.oid::bigint, 'bytes', greatest(c.relpages, 0)::bigint * current_setting('block_size')::int, 'file', c.relfilenode::bigint)), '[]')
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' and ${OWN_SCHEMA} and c.relpersistence in ('p', case when pg_is_in_recovery() then 'p' else 'u' end)
  and ${notOfExtension('pg_class', 'c.oid')}`;

/** Every table that may hold rows of a dump: members of extensions are among them where they hold a user's rows. */
export const ALL_TABLES = `select coalesce(json_agg(json_build_object(
  'schema', n.nspname, 'table', c.relname, 'isMember', not ${notOfExtension('pg_class', 'c.oid')})), '[]')
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' and ${OWN_SCHEMA} and c.relpersistence in ('p', 'u')`;

/** True sizes; waits for locks. */
export const TABLE_SIZES = `select coalesce(json_object_agg(c.oid, coalesce(pg_relation_size(c.oid), 0)), '{}')
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' and ${OWN_SCHEMA}`;

/** The same tables' files as they are now: the function looks past the snapshot. */
export const TABLE_FILES = `select coalesce(json_object_agg(c.oid, pg_relation_filenode(c.oid)::bigint), '{}')
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' and ${OWN_SCHEMA}`;

/** Objects per kind as the snapshot sees them, without members of extensions. */
export const OBJECTS = `select json_object_agg(kind, amount) from (
  select case c.relkind when 'r' then 'tables' when 'p' then 'partitionedTables' when 'v' then 'views' when 'm' then 'materializedViews'
    when 'S' then 'sequences' when 'f' then 'foreignTables' when 'i' then 'indexes' when 'I' then 'partitionedIndexes' when 'c' then 'compositeTypes' end kind, count(*) amount
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where ${OWN_SCHEMA} and c.relkind <> 't' and c.relpersistence <> 't' and ${notOfExtension('pg_class', 'c.oid')} group by 1
  union all select 'invalidIndexes', count(*) from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace where ${OWN_SCHEMA} and not i.indisvalid
  union all select 'constraints', count(*) from pg_constraint c join pg_namespace n on n.oid = c.connamespace where ${OWN_SCHEMA} and ${notOfExtension('pg_constraint', 'c.oid')}
  union all select 'unvalidatedConstraints', count(*) from pg_constraint c join pg_namespace n on n.oid = c.connamespace where ${OWN_SCHEMA} and not c.convalidated
  union all select 'functions', count(*) from pg_proc p join pg_namespace n on n.oid = p.pronamespace where ${OWN_SCHEMA} and ${notOfExtension('pg_proc', 'p.oid')}
  union all select 'triggers', count(*) from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace where ${OWN_SCHEMA} and not t.tgisinternal
  union all select 'policies', count(*) from pg_policy
  union all select 'types', count(*) from pg_type t join pg_namespace n on n.oid = t.typnamespace where ${OWN_SCHEMA} and t.typtype in ('e', 'd', 'r') and ${notOfExtension('pg_type', 't.oid')}
  union all select 'schemas', count(*) from pg_namespace n where ${OWN_SCHEMA}
  union all select 'extensions', count(*) from pg_extension
  union all select 'publications', count(*) from pg_publication
  union all select 'eventTriggers', count(*) from pg_event_trigger
  union all select 'largeObjects', count(*) from pg_largeobject_metadata) counted`;

/** Owners and who may do what, counted per role and kind, so that a lost grant names its role. Rights that everybody has by default are among them on both sides. */
export const ACCESS = `with owned as (
    select case c.relkind when 'S' then 'sequences' when 'v' then 'views' when 'm' then 'views' else 'tables' end kind, c.relowner as role,
      coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner)) acl
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where ${OWN_SCHEMA} and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and c.relpersistence <> 't' and ${notOfExtension('pg_class', 'c.oid')}
    union all select 'functions', p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace where ${OWN_SCHEMA} and ${notOfExtension('pg_proc', 'p.oid')}
    union all select 'schemas', n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner)) from pg_namespace n
    where ${OWN_SCHEMA} and ${notOfExtension('pg_namespace', 'n.oid')})
  select coalesce(json_object_agg(what, amount), '{}') from (
    select format('%s owned by %s', kind, pg_get_userbyid(role)) what, count(*) amount from owned group by 1
    union all select format('%s on %s granted to %s', lower(a.privilege_type), kind, case when a.grantee = 0 then 'public' else pg_get_userbyid(a.grantee) end), count(*)
    from owned, aclexplode(acl) a group by 1
    union all select format('%s on columns granted to %s', lower(a.privilege_type), case when a.grantee = 0 then 'public' else pg_get_userbyid(a.grantee) end), count(*)
    from pg_attribute t join pg_class c on c.oid = t.attrelid join pg_namespace n on n.oid = c.relnamespace, aclexplode(t.attacl) a
    where ${OWN_SCHEMA} and t.attacl is not null and ${notOfExtension('pg_class', 'c.oid')} group by 1) counted`;

/** What makes this database this database: a restore needs it and the archive holds it only for --create. Columns differ between versions, so through to_jsonb. */
export const DATABASE_PROPERTIES = `select json_build_object(
  'owner', pg_get_userbyid(d.datdba),
  'encoding', pg_encoding_to_char(d.encoding),
  'collate', to_jsonb(d) ->> 'datcollate',
  'ctype', to_jsonb(d) ->> 'datctype',
  'localeProvider', to_jsonb(d) ->> 'datlocprovider',
  'locale', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
  'icuRules', to_jsonb(d) ->> 'daticurules',
  'collationVersion', to_jsonb(d) ->> 'datcollversion',
  'isTemplate', d.datistemplate,
  'connectionLimit', d.datconnlimit,
  'tablespace', (select spcname from pg_tablespace t where t.oid = d.dattablespace),
  'acl', d.datacl::text[],
  'comment', shobj_description(d.oid, 'pg_database'),
  'settings', (select coalesce(json_agg(json_build_object('role', case when s.setrole = 0 then null else pg_get_userbyid(s.setrole) end, 'settings', s.setconfig) order by s.setrole <> 0, pg_get_userbyid(s.setrole)), '[]') from pg_db_role_setting s where s.setdatabase = d.oid),
  'extensions', (select coalesce(json_object_agg(extname, extversion), '{}') from pg_extension),
  'bytes', pg_database_size(d.oid)) from pg_database d where d.datname = current_database()`;

/** Who holds a lock that keeps everybody from reading a table of this database. */
export const LOCK_HOLDERS = `select coalesce(json_agg(json_build_object(
  'pid', a.pid, 'user', a.usename, 'application', a.application_name, 'state', a.state, 'table', c.relname,
  'since', to_char(a.xact_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))), '[]')
  from pg_locks l join pg_stat_activity a on a.pid = l.pid join pg_class c on c.oid = l.relation
  where l.granted and l.mode = 'AccessExclusiveLock' and c.relkind in ('r', 'p', 'S', 'v', 'm')
  and l.database = (select oid from pg_database where datname = current_database()) and a.pid <> pg_backend_pid()`;
