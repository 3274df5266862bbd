import type { RawPath } from '../domain/tree.ts';
import { BLOCK, encodePaxMember } from './tar-header.ts';
import type { TarMember } from './tar-scanner.ts';

/** The member's headers under another name and, for a hard link, to another one; both become `./…`. Everything else stays. */
export function renamedHeader(member: TarMember, path: RawPath, linkTarget: RawPath | null): Buffer {
  const records = new Map(member.pax);
  records.delete('path');
  records.delete('linkpath');
  records.set(member.sparse ? 'GNU.sparse.name' : 'path', `./${path}`);
  if (linkTarget !== null) records.set('linkpath', `./${linkTarget}`);
  else if (member.type === 'l' && member.target !== null) records.set('linkpath', member.target);
  return Buffer.concat([encodePaxMember(records, './PaxHeaders/renamed'), member.header.subarray(-BLOCK)]);
}

/** True where plain `tar -x` puts the member below its working directory, named in the same way as in all other tars of ours. */
export function isNamedHere({ name, type, linkName }: TarMember): boolean {
  return name.startsWith('./') && (type !== 'link' || linkName.startsWith('./'));
}

/** True for a name that leads out of the directory that it is extracted in, or could be written in another way (`a//b`, `a/./b`). */
export function leadsOut(path: RawPath): boolean {
  return path !== '' && path.split('/').some((name) => name === '' || name === '.' || name === '..' || name.includes('\0'));
}
