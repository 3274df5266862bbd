import type { RawPath } from '../domain/tree.ts';
import { BLOCK, encodePaxMember, sealTarHeader } from './tar-header.ts';
import type { TarMember } from './tar-scanner.ts';

/**
 * The member's headers under another name and, for a hard link, with another target; both are written as they are given (`media/a`, `./a`).
 * Everything else stays: times, owners, attributes, sparse maps. Names go into the block itself where they fit, so that old readers see them.
 */
export function namedHeader(member: TarMember, name: RawPath, linkTarget: RawPath | null): Buffer {
  const records = new Map(member.pax);
  for (const key of ['path', 'linkpath', 'GNU.sparse.name']) records.delete(key);
  const block = Buffer.from(member.header.subarray(-BLOCK));
  if (member.sparse) records.set('GNU.sparse.name', name);
  else {
    const inBlock = member.type === 'd' && !name.endsWith('/') ? `${name}/` : name;
    block.fill(0, 0, 100);
    block.fill(0, 345, BLOCK);
    block.write(inBlock.slice(0, 100), 0, 'latin1');
    if (needsRecord(inBlock)) records.set('path', inBlock);
  }
  const link = linkTarget ?? (member.type === 'l' ? member.target : null);
  if (link !== null) {
    block.fill(0, 157, 257);
    block.write(link.slice(0, 100), 157, 'latin1');
    if (needsRecord(link)) records.set('linkpath', link);
  }
  const header = sealTarHeader(block);
  return records.size === 0 ? header : Buffer.concat([encodePaxMember(records, './PaxHeaders/named'), header]);
}

/** Old readers end a name at a NUL and take its bytes as they are; records say that they are UTF-8. */
function needsRecord(name: RawPath): boolean {
  // oxlint-disable-next-line no-control-regex -- exactly the printable bytes of ASCII
  return name.length > 100 || /[^\x20-\x7e]/.test(name);
}
