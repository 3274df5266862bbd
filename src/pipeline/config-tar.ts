import type { ByteStream, Verdict } from '../domain/byte-stream.ts';
import type { FileAttributes } from '../domain/host-writer.ts';
import { BLOCK, encodePaxMember, encodeTarHeader, paddedSize } from '../stream/tar-header.ts';
import type { ConfigFiles } from './capture-config.ts';

/** Name of the member with the resolved model, where each file stood and which variables came from the environment. */
export const RESOLVED_MODEL = 'resolved.json';

const LARGEST_OWNER = 0o7777777;

interface Member extends FileAttributes {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The configuration as tar: `resolved.json`, `project/…`, `host/…`, with owners and times; without ACLs and extended attributes. */
export function configTar(gathered: ConfigFiles): ByteStream<Verdict> {
  const resolved: Member = {
    name: RESOLVED_MODEL,
    mode: 0o600,
    owner: null,
    mtime: '0',
    bytes: new TextEncoder().encode(`${JSON.stringify(gathered.resolved, null, 1)}\n`),
  };
  return { body: tarOf([resolved, ...gathered.files]), done: Promise.resolve({}) };
}

async function* tarOf(members: readonly Member[]): AsyncGenerator<Uint8Array> {
  for (const member of members) {
    yield headerOf(member);
    yield member.bytes;
    yield Buffer.alloc(paddedSize(member.bytes.length) - member.bytes.length);
  }
  yield Buffer.alloc(2 * BLOCK);
}

/** What a plain header has no room for stands in a pax record before the member; an owner always does, which tells it from one that nobody knows. */
function headerOf({ name: text, mode, owner, mtime, bytes }: Member): Buffer {
  const name = Buffer.from(text).toString('latin1');
  const records: [string, string][] = [];
  if (name.length > 100 || !/^[\x20-\x7e]*$/.test(name)) records.push(['path', name]);
  if (owner !== null) records.push(['uid', String(owner.uid)], ['gid', String(owner.gid)]);
  if (!/^\d+$/.test(mtime)) records.push(['mtime', mtime]);
  const header = encodeTarHeader({
    name,
    type: '0',
    mode,
    uid: Math.min(owner?.uid ?? 0, LARGEST_OWNER),
    gid: Math.min(owner?.gid ?? 0, LARGEST_OWNER),
    size: bytes.length,
    mtime: Number(mtime),
    linkName: '',
  });
  return records.length === 0 ? header : Buffer.concat([encodePaxMember(records, 'PaxHeaders/file'), header]);
}
