import type { Bytes, JsonValue } from '../../domain/byte-stream.ts';
import type { DatabaseAdapter, DatabaseIo, DatabaseTarget } from '../../domain/database-ports.ts';
import { McadsError, messageOf } from '../../errors.ts';
import { CopyScanner, type ScannedScript } from '../../stream/copy-scanner.ts';
import { releasePiece } from '../../stream/release-buffer.ts';
import { failed, lastWords, unknownComplaints } from './failures.ts';
import { qualifiedName } from '../../stream/sql-names.ts';
import { explained } from './server.ts';

type Checked = Awaited<ReturnType<DatabaseAdapter['check']>>;

/**
 * Decision: one `pg_restore -f -` without `-a`. It reads the archive in full like `-a` does, and its comments name every entry
 * of the table of contents, so that the bytes are read once; they come from the repository and go to a container without network.
 */
export async function checkDump(
  target: DatabaseTarget,
  facts: Readonly<Record<string, JsonValue>>,
  artifact: Bytes,
  io: DatabaseIo,
): Promise<Checked> {
  const database = typeof facts['database'] === 'string' ? facts['database'] : 'the database';
  const source = watched(artifact);
  const started = performance.now();
  let script: ScannedScript;
  try {
    script = await readArchive(target, source, io, database);
  } catch (error) {
    if (io.signal.aborted) throw error;
    // What the repository says about its own bytes comes before what pg_restore made of them.
    throw source.failure ?? explained(error, target.service);
  }
  if (source.ended && typeof facts['bytes'] === 'number' && source.bytes !== facts['bytes']) {
    throw failed(target.service, `the stored dump of ${database} has ${source.bytes} bytes, pg_dump wrote ${facts['bytes']}`);
  }
  compare(target.service, database, facts, script);
  const archive = Object.fromEntries(
    script.tables.map((table) => [qualifiedName(table.schema, table.table), { rows: table.rows, sha256: table.sha256 }]),
  );
  return {
    facts: {
      archive,
      archiveEntries: script.entries,
      archiveLargeObjects: script.largeObjects,
      archiveSequences: script.sequences,
      archiveStatements: script.statementsSha256,
      checkSeconds: Math.round(performance.now() - started) / 1000,
    },
    findings: [],
  };
}

async function readArchive(target: DatabaseTarget, source: WatchedBytes, io: DatabaseIo, database: string): Promise<ScannedScript> {
  const handle = await io.engine.runThrowaway(
    {
      image: target.container.imageId,
      argv: ['pg_restore', '-f', '-'],
      environment: { LC_ALL: 'C' },
      input: source,
      purpose: `reading the dump of ${database}`,
    },
    io.signal,
  );
  const scanner = new CopyScanner();
  for await (const chunk of handle.stdout) {
    scanner.push(chunk);
    releasePiece(chunk);
  }
  const exit = await handle.exit;
  if (exit.code !== 0) {
    throw failed(
      target.service,
      `the stored dump of ${database} is not whole: pg_restore says ${lastWords(exit.stderr) || `exit ${exit.code}`}`,
      'back up again; if it happens again, look at the disk of the repository',
    );
  }
  const complaints = unknownComplaints(exit.stderr);
  if (complaints.length > 0)
    throw failed(target.service, `reading the dump of ${database} gave complaints: ${complaints.slice(0, 3).join('; ')}`);
  try {
    return scanner.finish();
  } catch (error) {
    throw failed(target.service, `the stored dump of ${database} is not whole: ${messageOf(error)}`, undefined, error);
  }
}

/** Every table of the snapshot is in the archive, with the rows that were counted in the same snapshot. */
function compare(service: string, database: string, facts: Readonly<Record<string, JsonValue>>, script: ScannedScript): void {
  const rows = new Map(script.tables.map((table) => [qualifiedName(table.schema, table.table), table.rows]));
  for (const [table, live] of entriesOf(facts['rowsLive'])) {
    if (typeof live !== 'number') continue;
    const stored = rows.get(table);
    if (stored === undefined) throw failed(service, `the dump of ${database} lacks the data of table ${table} (${live} rows)`);
    if (stored !== live)
      throw failed(
        service,
        `the dump of ${database} holds ${stored} rows of table ${table}, the database had ${live} in the same snapshot`,
      );
  }
  for (const [table] of entriesOf(facts['rowsNotCounted'])) {
    if (!rows.has(table)) throw failed(service, `the dump of ${database} lacks the data of table ${table}`);
  }
  const largeObjects = new Map(entriesOf(facts['objects'])).get('largeObjects');
  if (typeof largeObjects === 'number' && largeObjects !== script.largeObjects) {
    throw failed(
      service,
      `the dump of ${database} holds ${script.largeObjects} large objects, the database had ${largeObjects} in the same snapshot`,
    );
  }
}

function entriesOf(value: JsonValue | undefined): readonly (readonly [string, JsonValue])[] {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? Object.entries(value) : [];
}

interface WatchedBytes extends AsyncIterable<Uint8Array> {
  readonly bytes: number;
  readonly ended: boolean;
  readonly failure: unknown;
}

/** The same bytes, and how far they were read. */
function watched(source: Bytes): WatchedBytes {
  const state = { bytes: 0, ended: false, failure: undefined as unknown };
  async function* read(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of source) {
        state.bytes += chunk.length;
        yield chunk;
      }
      state.ended = true;
    } catch (error) {
      state.failure = error instanceof McadsError ? error : new McadsError('unexpected', messageOf(error), { cause: error });
      throw error;
    }
  }
  return {
    [Symbol.asyncIterator]: read,
    get bytes() {
      return state.bytes;
    },
    get ended() {
      return state.ended;
    },
    get failure() {
      return state.failure;
    },
  };
}
