import { McadsError } from '../../errors.ts';
import type { Finding } from '../../domain/finding.ts';
import { isJsonObject, type JsonValue } from '../../domain/byte-stream.ts';
import { qualifiedName, quoteIdentifier } from '../../stream/sql-names.ts';
import type { PsqlSession } from './psql-session.ts';
import { ACCESS, ALL_TABLES, DATABASE_PROPERTIES, OBJECTS } from './queries.ts';
import { databaseProperties, majorOf, type DatabaseProperties, type RecordedDatabase } from './restore-facts.ts';

interface Table {
  readonly schema: string;
  readonly table: string;
  /** Of an extension, which brings rows of its own. */
  readonly isMember: boolean;
}

const GROUP_TABLES = 50;
/** How many of these there are depends on the server's version too. */
const VERSIONED_OBJECTS: ReadonlySet<string> = new Set([
  'constraints',
  'unvalidatedConstraints',
  'functions',
  'triggers',
  'types',
  'schemas',
]);

export interface Proven {
  readonly tables: number;
  readonly rows: number;
  readonly findings: readonly Finding[];
}

/** Compares a restored database, which the session is on, with what was recorded; rejects `proof-failed` naming the first difference. */
export async function proveDatabase(
  session: PsqlSession,
  service: string,
  database: string,
  recorded: RecordedDatabase,
  versionNum: number,
): Promise<Proven> {
  const differs: Differs = (what, wanted, got) => {
    throw new McadsError('proof-failed', `service ${service}: database ${database} came back with ${what} ${got} instead of ${wanted}`);
  };
  const sameMajor = majorOf(versionNum) === majorOf(recorded.versionNum);
  const rows = await proveRows(session, recorded, differs);
  await proveObjects(session, recorded, sameMajor, differs);
  if (sameMajor) await proveAccess(session, recorded, differs);
  const findings = await proveProperties(session, recorded.properties, sameMajor, differs);
  return { tables: recorded.rows.size, rows, findings: findings.map((message) => noted(service, database, message)) };
}

type Differs = (what: string, wanted: string | number, got: string | number) => never;

async function proveRows(session: PsqlSession, { rows: recorded }: RecordedDatabase, differs: Differs): Promise<number> {
  const tables = new Map<string, Table>();
  for (const table of (await session.json(ALL_TABLES)) as readonly Table[]) tables.set(qualifiedName(table.schema, table.table), table); // the JSON that our own query builds
  const wanted = [...recorded];
  let sum = 0;
  for (let at = 0; at < wanted.length; at += GROUP_TABLES) {
    const group = wanted.slice(at, at + GROUP_TABLES).map(([name, rows]) => {
      const table = tables.get(name) ?? differs(`table ${name}`, `${rows} rows`, 'missing');
      return { name, rows, table };
    });
    const queries = group.map(
      ({ table }) => `(select count(*) from only ${quoteIdentifier(table.schema)}.${quoteIdentifier(table.table)})`,
    );
    const counts = (await session.json(`select json_build_array(${queries.join(', ')})`)) as readonly number[]; // as above
    for (const [index, { name, rows, table }] of group.entries()) {
      const got = counts[index] ?? -1;
      if (table.isMember ? got < rows : got !== rows) differs(`the rows of table ${name}:`, rows, got);
      sum += got;
    }
  }
  return sum;
}

async function proveObjects(session: PsqlSession, { objects }: RecordedDatabase, sameMajor: boolean, differs: Differs): Promise<void> {
  if (objects.size === 0) return;
  const now = new Map(Object.entries((await session.json(OBJECTS)) as Readonly<Record<string, number>>)); // the JSON that our own query builds
  const invalid = objects.get('invalidIndexes') ?? 0;
  for (const kind of new Set([...objects.keys(), ...now.keys()])) {
    if (!sameMajor && VERSIONED_OBJECTS.has(kind)) continue;
    const wanted = objects.get(kind) ?? 0;
    const got = now.get(kind) ?? 0;
    // pg_dump leaves out indexes that were never finished.
    const least = kind === 'indexes' ? wanted - invalid : kind === 'invalidIndexes' ? 0 : wanted;
    if (got < least || got > wanted) differs(`the number of ${kind}`, wanted, got);
  }
}

/** Other versions know other rights. */
async function proveAccess(session: PsqlSession, { access }: RecordedDatabase, differs: Differs): Promise<void> {
  if (access === null) return;
  const now = new Map(Object.entries((await session.json(ACCESS)) as Readonly<Record<string, number>>)); // the JSON that our own query builds
  for (const what of new Set([...access.keys(), ...now.keys()])) {
    const [wanted, got] = [access.get(what) ?? 0, now.get(what) ?? 0];
    if (wanted !== got) differs(`the number of ${what}:`, wanted, got);
  }
}

async function proveProperties(
  session: PsqlSession,
  wanted: DatabaseProperties,
  sameMajor: boolean,
  differs: Differs,
): Promise<readonly string[]> {
  const answer = await session.json(DATABASE_PROPERTIES);
  const got = databaseProperties(answer as JsonValue); // JSON
  const compare = (what: string, a: unknown, b: unknown): void => {
    const [x, y] = [JSON.stringify(a), JSON.stringify(b)];
    if (x !== y) differs(what, x, y);
  };
  if (wanted.owner !== '') compare('owner', wanted.owner, got.owner);
  compare('encoding', wanted.encoding, got.encoding);
  if (sameMajor) {
    for (const name of ['collate', 'ctype', 'localeProvider', 'locale', 'icuRules'] as const) compare(name, wanted[name], got[name]);
  }
  compare('access rights', wanted.acl?.toSorted() ?? null, got.acl?.toSorted() ?? null);
  compare('comment', wanted.comment, got.comment);
  compare('settings', settingsOf(wanted), settingsOf(got));
  compare('extensions', Object.keys(wanted.extensions).toSorted(), Object.keys(got.extensions).toSorted());
  return Object.entries(wanted.extensions)
    .filter(([name, version]) => got.extensions[name] !== version)
    .map(([name, version]) => `extension ${name} was ${version} and is ${got.extensions[name] ?? ''} now`);
}

function settingsOf({ settings }: DatabaseProperties): readonly string[] {
  return settings.flatMap(({ role, settings: values }) => values.map((value) => JSON.stringify([role, value]))).toSorted();
}

function noted(service: string, database: string, message: string): Finding {
  return { severity: 'info', code: 'extension-version', subject: `database/${service}/${database}`, message };
}

/** Number of own schemas that the session's database has. */
export async function countSchemas(session: PsqlSession): Promise<number> {
  const objects = (await session.json(OBJECTS)) as JsonValue; // JSON
  const schemas = isJsonObject(objects) ? objects['schemas'] : 0;
  return typeof schemas === 'number' ? schemas : 0;
}
