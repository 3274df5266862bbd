import { isJsonObject, type Bytes, type JsonObject, type JsonValue } from '../domain/byte-stream.ts';
import { McadsError } from '../errors.ts';
import { BLOCK, encodePaxMember, encodeTarHeader, paddedSize } from '../stream/tar-header.ts';
import { scanTar, type TarEvent } from '../stream/tar-scanner.ts';
import type { ManifestArtifact } from '../domain/manifest.ts';
import type { TreePlace } from '../domain/restore.ts';
import { toRaw } from '../stream/raw-path.ts';

const LARGEST_OCTAL = 0o77777777777;
const LARGEST_OWNER = 0o7777777;

interface DatabaseFile {
  readonly data: ManifestArtifact;
  readonly facts: Readonly<Record<string, JsonValue>>;
  readonly target: { readonly place: TreePlace };
}

/** A database file as the only member of a tar, with the owner and mode that it had: it is staged and swapped like any other file. */
export async function* sqliteTar(
  bytes: Bytes,
  { data, facts, target }: DatabaseFile,
  observe: (event: TarEvent) => void,
): AsyncGenerator<Uint8Array> {
  for await (const event of scanTar(tarOf(bytes, data.bytes, facts['owner'], target.place.singleFile ?? ''))) {
    observe(event);
    yield event.kind === 'member' ? event.member.header : event.bytes;
  }
  yield Buffer.alloc(2 * BLOCK);
}

async function* tarOf(bytes: Bytes, size: number, owner: JsonValue | undefined, file: string): AsyncGenerator<Uint8Array> {
  const { mode, uid, gid, mtimeMs } = ownerOf(owner);
  const name = `./${toRaw(file)}`;
  const records: [string, string][] = [['path', name]];
  if (size > LARGEST_OCTAL) records.push(['size', String(size)]);
  if (uid > LARGEST_OWNER) records.push(['uid', String(uid)]);
  if (gid > LARGEST_OWNER) records.push(['gid', String(gid)]);
  if (mtimeMs % 1000 !== 0) records.push(['mtime', String(mtimeMs / 1000)]);
  yield encodePaxMember(records, './PaxHeaders/database');
  yield encodeTarHeader({
    name,
    type: '0',
    mode,
    uid: Math.min(uid, LARGEST_OWNER),
    gid: Math.min(gid, LARGEST_OWNER),
    size: Math.min(size, LARGEST_OCTAL),
    mtime: mtimeMs / 1000,
    linkName: '',
  });
  yield* bytes;
  yield Buffer.alloc(paddedSize(size) - size + 2 * BLOCK);
}

/** Rows by table as the facts of a capture or a check have them. */
export function rowsOf(facts: Readonly<Record<string, JsonValue>>): Readonly<Record<string, number>> {
  const rows = facts['rows'];
  if (!isJsonObject(rows)) throw new McadsError('damaged', 'the snapshot does not say which rows the database had');
  return Object.fromEntries(Object.entries(rows).map(([table, count]) => [table, Number(count)]));
}

export function sameRows(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): boolean {
  const tables = Object.keys(a);
  return tables.length === Object.keys(b).length && tables.every((table) => a[table] === b[table]);
}

function ownerOf(value: JsonValue | undefined): {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeMs: number;
} {
  const owner: JsonObject = isJsonObject(value) ? value : {};
  const number = (key: string, fallback: number): number => (typeof owner[key] === 'number' ? owner[key] : fallback);
  return { mode: number('mode', 0o600), uid: number('uid', 0), gid: number('gid', 0), mtimeMs: number('mtimeMs', 0) };
}
