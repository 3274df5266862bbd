import type { Finding } from '../../domain/finding.ts';
import { qualifiedName, quoteIdentifier } from '../../stream/sql-names.ts';
import { QueryError, type PsqlSession } from './psql-session.ts';
import { TABLE_FILES, TABLE_SIZES } from './queries.ts';

/** A table as the snapshot knows it. */
export interface SnapshotTable {
  readonly schema: string;
  readonly table: string;
  readonly oid: number;
  /** As the last analyze saw it, 0 before the first. */
  readonly bytes: number;
  /** Null for tables without a file. */
  readonly file: number | null;
}

export interface LiveCounts {
  readonly rows: Readonly<Record<string, number>>;
  /** Table → why. */
  readonly notCounted: Readonly<Record<string, string>>;
  readonly findings: readonly Finding[];
}

const GROUP_TABLES = 100;
const GROUP_BYTES = 4 * 1024 * 1024;

/**
 * Counts rows inside the session's snapshot, smallest tables first, until the time is over.
 * A table that was truncated or rewritten meanwhile looks empty to an older snapshot, so its count is thrown away.
 */
export async function countLive(
  session: PsqlSession,
  tables: readonly SnapshotTable[],
  budgetMs: number,
  subject: string,
): Promise<LiveCounts> {
  const counted = new Map<SnapshotTable, number>();
  const reasons = new Map<SnapshotTable, string>();
  const deadline = performance.now() + budgetMs;
  for (const group of groups(await bySize(session, tables, budgetMs))) {
    const remaining = Math.floor(deadline - performance.now());
    const counts = remaining < 1 ? null : await countGroup(session, group, remaining, reasons);
    for (const [at, table] of group.entries()) {
      const rows = counts?.[at];
      if (rows === undefined || rows === null) reasons.set(table, reasons.get(table) ?? 'no time left');
      else counted.set(table, rows);
    }
  }
  const rewritten = await changedTables(session, [...counted.keys()]);
  for (const table of rewritten) {
    counted.delete(table);
    reasons.set(table, 'truncated, rewritten or dropped while the dump ran');
  }
  return {
    rows: Object.fromEntries([...counted].map(([table, rows]) => [nameOf(table), rows])),
    notCounted: Object.fromEntries([...reasons].map(([table, why]) => [nameOf(table), why])),
    findings: rewritten.length === 0 ? [] : [rewrittenFinding(rewritten, subject)],
  };
}

async function bySize(session: PsqlSession, tables: readonly SnapshotTable[], timeoutMs: number): Promise<readonly SnapshotTable[]> {
  const sizes = await sizesOf(session, timeoutMs);
  return tables.map((table) => ({ ...table, bytes: sizes?.[String(table.oid)] ?? table.bytes })).toSorted((a, b) => a.bytes - b.bytes);
}

/** Null where a lock keeps them from us. */
async function sizesOf(session: PsqlSession, timeoutMs: number): Promise<Readonly<Record<string, number>> | null> {
  try {
    return (await valueWithin(session, TABLE_SIZES, Math.max(1, Math.min(1000, Math.ceil(timeoutMs / 4))))) as Readonly<
      Record<string, number>
    >; // the JSON that our own query builds
  } catch (error) {
    if (error instanceof QueryError) return null;
    throw error;
  }
}

/**
 * The JSON value of one query, refused when it takes longer. The limit comes and goes in the query's own message: psql's savepoints
 * around it must never run under a limit of a millisecond, for a transaction whose savepoint failed is lost. And the value is handed out by a
 * statement of its own: a timer that goes off just as its statement ends is only noticed by the next one (PostgresMain, disable_statement_timeout),
 * which would be such a savepoint. `offset 1` computes the row and shows nothing.
 */
async function valueWithin(session: PsqlSession, sql: string, timeoutMs: number): Promise<unknown> {
  const statements = [
    `set statement_timeout = ${timeoutMs}`,
    `select set_config('mcads.value', (${sql})::text, true) offset 1`,
    `set statement_timeout = 0`,
    `select current_setting('mcads.value')`,
  ];
  return session.json(statements.join(' \\; '));
}

/** Tables whose file is not the one that the snapshot's start saw. */
export async function changedTables(session: PsqlSession, tables: readonly SnapshotTable[]): Promise<readonly SnapshotTable[]> {
  const now = (await session.json(TABLE_FILES)) as Readonly<Record<string, number | null>>; // the JSON that our own query builds
  return tables.filter((table) => (now[String(table.oid)] ?? null) !== table.file);
}

/** Null per table that could not be counted. A group that fails is tried table by table. */
async function countGroup(
  session: PsqlSession,
  group: readonly SnapshotTable[],
  timeoutMs: number,
  reasons: Map<SnapshotTable, string>,
): Promise<readonly (number | null)[]> {
  const started = performance.now();
  try {
    const counts = group.map((table) => `(select count(*) from only ${quoteIdentifier(table.schema)}.${quoteIdentifier(table.table)})`);
    return (await valueWithin(session, `select json_build_array(${counts.join(', ')})`, timeoutMs)) as readonly number[]; // the JSON that our own query builds
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    const [only] = group;
    if (group.length === 1 && only !== undefined) {
      reasons.set(only, error.sqlState === QUERY_CANCELED ? 'no time left' : error.message);
      return [null];
    }
    const single: (number | null)[] = [];
    for (const table of group) {
      const remaining = Math.floor(timeoutMs - (performance.now() - started));
      single.push(remaining < 1 ? null : ((await countGroup(session, [table], remaining, reasons))[0] ?? null));
    }
    return single;
  }
}

const QUERY_CANCELED = '57014';

function groups(tables: readonly SnapshotTable[]): readonly (readonly SnapshotTable[])[] {
  const all: SnapshotTable[][] = [];
  let bytes = 0;
  for (const table of tables) {
    const last = all.at(-1);
    if (last === undefined || last.length >= GROUP_TABLES || bytes + table.bytes > GROUP_BYTES) {
      all.push([table]);
      bytes = table.bytes;
    } else {
      last.push(table);
      bytes += table.bytes;
    }
  }
  return all;
}

function nameOf(table: SnapshotTable): string {
  return qualifiedName(table.schema, table.table);
}

function rewrittenFinding(tables: readonly SnapshotTable[], subject: string): Finding {
  return {
    severity: 'warning',
    code: 'table-rewritten',
    subject,
    message: `truncated, rewritten or dropped while the dump ran, so not counted: ${tables.map(nameOf).join(', ')}`,
  };
}
