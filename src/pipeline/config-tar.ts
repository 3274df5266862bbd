import type { ByteStream, Verdict } from '../domain/byte-stream.ts';
import { BLOCK, encodePaxMember, encodeTarHeader, paddedSize } from '../stream/tar-header.ts';
import type { ConfigFiles } from './capture-config.ts';

/** Name of the member with the resolved model, where each file stood and which variables came from the environment. */
export const RESOLVED_MODEL = 'resolved.json';

interface Member {
  readonly name: string;
  readonly mode: number;
  readonly mtimeMs: number;
  readonly bytes: Uint8Array;
}

/** The configuration as tar: `resolved.json`, `project/…`, `host/…`. Owners are not kept: whoever restores owns them. */
export function configTar(gathered: ConfigFiles): ByteStream<Verdict> {
  const resolved: Member = {
    name: RESOLVED_MODEL,
    mode: 0o600,
    mtimeMs: 0,
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

/** Names that are long or not ASCII stand in a pax record before the member. */
function headerOf(member: Member): Buffer {
  const name = Buffer.from(member.name).toString('latin1');
  const header = encodeTarHeader({
    name,
    type: '0',
    mode: member.mode,
    uid: 0,
    gid: 0,
    size: member.bytes.length,
    mtime: member.mtimeMs / 1000,
    linkName: '',
  });
  const plain = name.length <= 100 && /^[\x20-\x7e]*$/.test(name);
  return plain ? header : Buffer.concat([encodePaxMember([['path', name]], 'PaxHeaders/long-name'), header]);
}
