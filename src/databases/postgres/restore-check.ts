import type { DatabaseIo, DatabaseRestorer, DatabaseSource, DatabaseTarget } from '../../domain/database-ports.ts';
import type { Finding } from '../../domain/finding.ts';
import { clusterDirectory } from './detect.ts';
import { failed } from './failures.ts';
import { quoteIdentifier, quoteLiteral } from '../../stream/sql-names.ts';
import { QueryError, type PsqlSession } from './psql-session.ts';
import { majorOf, recordedDatabase, type RecordedDatabase } from './restore-facts.ts';
import { withServer } from './restore-session.ts';
import { freeSpace } from './restore-space.ts';
import { isMissing, runTool } from './run-tool.ts';
import { toolOptions, type Server } from './server.ts';
import { changedSettings, settingsFinding } from './settings.ts';

type Checked = Awaited<ReturnType<DatabaseRestorer['check']>>;

/** A database takes this much of what it took when it was dumped, and its write-ahead log lies beside it. */
const SPACE_FACTOR = 1.2;

/** What the server says about one database to be brought back. */
interface Situation {
  readonly exists: boolean;
  readonly open: boolean;
  readonly isMine: boolean;
  readonly preparedTransactions: number;
  readonly subscriptions: number;
  readonly slots: number;
  readonly mayCreate: boolean;
  readonly ownerExists: boolean;
  readonly mayActAsOwner: boolean;
  /** Roles whose sessions on the database this user may not end. */
  readonly strangers: readonly string[];
  readonly knowsEncoding: boolean;
  readonly hasTablespace: boolean;
  readonly extensions: Readonly<Record<string, string>>;
  readonly timescaleVersions: readonly string[];
  readonly cronDatabase: string | null;
  readonly preloaded: string | null;
}

/** Looks whether the server can take this database, changing nothing; rejects `component-failed` with what is in the way. */
export async function checkRestore(target: DatabaseTarget, source: DatabaseSource, io: DatabaseIo): Promise<Checked> {
  return withServer(target, io, async (server, session) => {
    const recorded = recordedDatabase(source);
    const refuse = (reason: string, hint?: string): never => {
      throw failed(target.service, `database ${source.database} cannot be brought back: ${reason}`, hint);
    };
    checkServer(server, recorded, refuse);
    await checkTool(server, refuse);
    const situation = (await session.json(situationOf(source.database, recorded, majorOf(server.facts.versionNum)))) as Situation; // the JSON that our own query builds
    checkRights(server, recorded, situation, refuse);
    if (situation.exists) checkLive(source.database, situation, refuse);
    if (!situation.knowsEncoding) refuse(`the server knows no encoding ${recorded.properties.encoding}`);
    await checkLocale(session, recorded, refuse);
    const findings = [...checkExtensions(source.database, target.service, recorded, situation, refuse)];
    findings.push(...(await checkSpace(server, source.database, recorded)));
    findings.push(...notesOn(target.service, source.database, recorded, situation));
    const settings = settingsFinding(target.service, source.facts['settings'], await changedSettings(session, server));
    // A server that has the database already may have been configured since.
    if (settings !== null) findings.push(situation.exists ? { ...settings, severity: 'info' } : settings);
    return { exists: situation.exists, findings };
  });
}

type Refuse = (reason: string, hint?: string) => never;

function checkServer(server: Server, recorded: RecordedDatabase, refuse: Refuse): void {
  const { facts } = server;
  if (facts.inRecovery) refuse('the server is a standby and takes no changes', 'restore into its primary');
  const [dumped, here] = [majorOf(recorded.versionNum), majorOf(facts.versionNum)];
  if (dumped > here) {
    refuse(
      `it was dumped from PostgreSQL ${dumped}, and the server is PostgreSQL ${facts.version}: an older server cannot take it`,
      `use an image of PostgreSQL ${dumped} or later for this service`,
    );
  }
}

async function checkTool(server: Server, refuse: Refuse): Promise<void> {
  const { target, io } = server;
  const result = await runTool(io, target.container.id, ['pg_restore', '--version'], toolOptions(server, 'mcads'));
  if (result.code === 0) return;
  refuse(
    isMissing(result.code)
      ? `${target.container.reachedAt === undefined ? 'its image' : 'this machine'} has no pg_restore`
      : `pg_restore does not run: ${result.stderr.trim()}`,
    `add PostgreSQL's client tools of the server's version${target.container.reachedAt === undefined ? ' to the image' : ''}`,
  );
}

function checkRights(server: Server, { properties }: RecordedDatabase, situation: Situation, refuse: Refuse): void {
  const { user } = server.credentials;
  const onHost = server.target.container.reachedAt !== undefined;
  const hint = onHost
    ? 'name a user that may in DATABASE_URL in .env, or leave the database out with --component'
    : 'name a superuser with mcads.postgres.user and mcads.postgres.passwordFile';
  if (!situation.mayCreate)
    refuse(
      `user ${user} may not create databases`,
      onHost
        ? `as a superuser of the server: alter role ${quoteIdentifier(user)} createdb; or leave the database out with --component`
        : hint,
    );
  if (situation.ownerExists && !situation.mayActAsOwner) refuse(`user ${user} may not act as its owner ${properties.owner}`, hint);
  if (!situation.ownerExists && onHost && properties.owner !== '')
    refuse(
      `there is no role ${properties.owner}, which owned it`,
      `as a superuser of the server: create role ${quoteIdentifier(properties.owner)}`,
    );
  if (situation.exists && !situation.isMine) refuse(`user ${user} does not own the database that is there`, hint);
  if (situation.strangers.length > 0)
    refuse(
      `${situation.strangers.join(', ')} ${situation.strangers.length === 1 ? 'is' : 'are'} connected to it, and user ${user} may not end that`,
      `let them disconnect, or, as a superuser of the server: grant pg_signal_backend to ${quoteIdentifier(user)} (which ends no superuser's sessions)`,
    );
}

/** What would keep the live database from being renamed, or from being put back as it was. */
function checkLive(database: string, situation: Situation, refuse: Refuse): void {
  if (!situation.open) {
    refuse(
      `the database that is there is closed (allow_connections false)`,
      `open it with: alter database … allow_connections true, or drop it`,
    );
  }
  if (situation.preparedTransactions > 0) {
    refuse(
      `${situation.preparedTransactions} prepared transactions hold the database that is there`,
      `look at pg_prepared_xacts of ${database}, and commit or roll them back`,
    );
  }
}

/** Decision: setlocale and ICU of the server itself are asked, through a setting and through a collation that is rolled back: no catalog lists all that they know. */
async function checkLocale(session: PsqlSession, { properties }: RecordedDatabase, refuse: Refuse): Promise<void> {
  for (const locale of new Set([properties.collate, properties.ctype])) {
    if (locale === null) continue;
    await attempt(session, `select set_config('lc_monetary', ${quoteLiteral(locale)}, false)`, () =>
      refuse(`the server's image has no locale ${locale}`, 'use the image that the snapshot names, or add the locale to it'),
    );
  }
  if (properties.localeProvider !== 'i' || properties.locale === null) return;
  const rules = properties.icuRules === null ? '' : `, rules = ${quoteLiteral(properties.icuRules)}`;
  await session.query('begin');
  await attempt(
    session,
    `create collation pg_temp.mcads_trial (provider = icu, locale = ${quoteLiteral(properties.locale)}${rules})`,
    (why) => refuse(`the server cannot use its ICU locale ${properties.locale}: ${why}`),
  );
  await session.query('rollback');
}

async function attempt(session: PsqlSession, sql: string, refused: (why: string) => never): Promise<void> {
  try {
    await session.query(sql);
  } catch (error) {
    if (error instanceof QueryError) refused(error.message);
    throw error;
  }
}

function checkExtensions(
  database: string,
  service: string,
  { properties }: RecordedDatabase,
  situation: Situation,
  refuse: Refuse,
): readonly Finding[] {
  const wanted = Object.entries(properties.extensions);
  const missing = wanted.filter(([name]) => situation.extensions[name] === undefined).map(([name]) => name);
  if (missing.length > 0)
    refuse(`the server lacks the extensions it uses: ${missing.join(', ')}`, 'use the image that the snapshot names, or add them to it');
  const timescale = properties.extensions['timescaledb'];
  if (timescale !== undefined && !situation.timescaleVersions.includes(timescale))
    refuse(`it needs timescaledb ${timescale}, and the server has ${situation.timescaleVersions.join(', ')}`);
  if (timescale !== undefined && situation.preloaded !== null && !/\btimescaledb\b/.test(situation.preloaded))
    refuse('timescaledb is not in shared_preload_libraries of the server');
  if (properties.extensions['pg_cron'] !== undefined)
    refuse(
      `pg_cron can only be in the database that cron.database_name says (${situation.cronDatabase ?? 'none'}), so it cannot be built beside it`,
      'bring it back by hand: extract the dump, and pg_restore it',
    );
  return wanted
    .filter(([name, version]) => isOlder(situation.extensions[name] ?? '', version))
    .map(([name, version]) => ({
      severity: 'warning',
      code: 'extension-older',
      subject: `database/${service}/${database}`,
      message: `extension ${name} was ${version}, the server has ${situation.extensions[name] ?? ''}`,
    }));
}

/** Compares dotted versions number by number. */
export function isOlder(here: string, recorded: string): boolean {
  const [a, b] = [here, recorded].map((version) => version.split(/[^0-9]+/).map(Number));
  for (const [at, part] of (b ?? []).entries()) {
    const mine = a?.[at] ?? 0;
    if (mine !== part) return mine < part;
  }
  return false;
}

/** Rejects `component-failed` where the disk of the cluster has too little room for the database; a finding where nobody can tell. */
export async function checkSpace(server: Server, database: string, { properties }: RecordedDatabase): Promise<readonly Finding[]> {
  const { target, io, facts } = server;
  const directory = facts.dataDirectory ?? clusterDirectory(target.container);
  const needed = Math.ceil(properties.bytes * SPACE_FACTOR);
  const free = isElsewhere(target) ? null : await freeSpace(target, io, directory);
  if (free === null) {
    return [
      {
        severity: 'info',
        code: 'free-space-unknown',
        subject: `database/${target.service}/${database}`,
        message: `nothing here can tell how much room the server has in ${directory}; ${needed} bytes are needed`,
      },
    ];
  }
  if (free.bytes >= needed) return [];
  throw failed(
    target.service,
    `database ${database} needs ${needed} bytes beside the one that is there, and ${directory} has ${free.bytes} free`,
    'make room on that disk',
  );
}

/** The disk of a server on another machine is none of this one's. */
function isElsewhere({ container: { reachedAt } }: DatabaseTarget): boolean {
  return reachedAt !== undefined && !/^(?:\/|localhost$|127\.|::1$)/.test(reachedAt.host);
}

function notesOn(service: string, database: string, { properties }: RecordedDatabase, situation: Situation): readonly Finding[] {
  const findings: Finding[] = [];
  const warn = (code: string, message: string, hint?: string): void => {
    findings.push({ severity: 'warning', code, subject: `database/${service}/${database}`, message, hint });
  };
  if (!situation.hasTablespace)
    warn('tablespace-missing', `tablespace ${properties.tablespace ?? ''} is not there: the database goes to the default one`);
  if (situation.subscriptions > 0)
    warn(
      'subscription-stops',
      'the database that is there subscribes to others: the restored one has to be told to go on',
      'alter subscription … enable',
    );
  if (situation.slots > 0)
    warn('replication-stops', 'replication slots belong to the database that is there and do not follow to the restored one');
  return findings;
}

function situationOf(database: string, { properties }: RecordedDatabase, major: number): string {
  const name = quoteLiteral(database);
  const owner = quoteLiteral(properties.owner);
  const tablespace =
    properties.tablespace === null ? 'true' : `exists (select from pg_tablespace where spcname = ${quoteLiteral(properties.tablespace)})`;
  return `select json_build_object(
  'exists', exists (select from pg_database where datname = ${name}),
  'open', coalesce((select datallowconn from pg_database where datname = ${name}), true),
  'isMine', coalesce((select pg_has_role(datdba, 'USAGE') from pg_database where datname = ${name}), true),
  'preparedTransactions', (select count(*) from pg_prepared_xacts where database = ${name}),
  'subscriptions', (select count(*) from pg_subscription s join pg_database d on d.oid = s.subdbid where d.datname = ${name}),
  'slots', (select count(*) from pg_replication_slots where database = ${name}),
  'mayCreate', (select rolcreatedb or rolsuper from pg_roles where rolname = current_user),
  'ownerExists', exists (select from pg_roles where rolname = ${owner}),
  'mayActAsOwner', coalesce((select pg_has_role(oid, 'USAGE')${major >= 16 ? " and pg_has_role(oid, 'SET')" : ''} from pg_roles where rolname = ${owner}), false),
  'strangers', (select coalesce(json_agg(distinct usename), '[]') from pg_stat_activity a join pg_roles r on r.oid = a.usesysid
    where a.datname = ${name} and a.pid <> pg_backend_pid() and not (select rolsuper from pg_roles where rolname = current_user)
    and (r.rolsuper or not (pg_has_role(r.oid, 'USAGE') or pg_has_role('pg_signal_backend', 'USAGE')))),
  'knowsEncoding', pg_char_to_encoding(${quoteLiteral(properties.encoding)}) >= 0,
  'hasTablespace', ${tablespace},
  'extensions', (select coalesce(json_object_agg(name, default_version), '{}') from pg_available_extensions),
  'timescaleVersions', (select coalesce(json_agg(version), '[]') from pg_available_extension_versions where name = 'timescaledb'),
  'cronDatabase', (select setting from pg_settings where name = 'cron.database_name'),
  'preloaded', (select setting from pg_settings where name = 'shared_preload_libraries'))`;
}
