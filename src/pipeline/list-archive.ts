import type { Bytes } from '../domain/byte-stream.ts';
import type { CatalogueEntry } from '../domain/manifest.ts';
import { McadsError, messageOf } from '../errors.ts';
import { decodeRaw, parseCatalogue, printableRaw } from '../stream/catalogue.ts';
import { TarFormatError } from '../stream/tar-header.ts';
import { scanTar, type TarMember } from '../stream/tar-scanner.ts';
import { rawPathOf } from './select-components.ts';

/** Every member of a tar against its catalogue, both in order. Rejects `component-failed` naming the first member that differs. */
export async function listArchive(tar: Bytes, catalogue: Bytes): Promise<{ readonly members: number; readonly bytes: number }> {
  const counts = { members: 0, bytes: 0 };
  const entries = withoutSockets(parseCatalogue(catalogue));
  try {
    for await (const event of scanTar(tar)) {
      if (event.kind === 'data') continue;
      const { member } = event;
      const entry = await entries.next();
      if (entry.done === true) throw notAsListed(`${printableRaw(member.path)} is in the archive and not in the catalogue`);
      const difference = differenceOf(entry.value, member);
      if (difference !== null) throw notAsListed(difference);
      counts.members += 1;
      counts.bytes += member.type === 'f' ? member.size : 0;
    }
    const left = await entries.next();
    if (left.done !== true) throw notAsListed(`${printableRaw(rawPathOf(left.value))} is in the catalogue and not in the archive`);
    return counts;
  } catch (error) {
    if (!(error instanceof TarFormatError)) throw error;
    throw new McadsError('component-failed', `the archive is not whole: ${messageOf(error)}`, { cause: error });
  } finally {
    await entries.return(undefined);
  }
}

/** No archive holds them. */
async function* withoutSockets(entries: AsyncIterable<CatalogueEntry>): AsyncGenerator<CatalogueEntry> {
  for await (const entry of entries) if (entry.type !== 's') yield entry;
}

function differenceOf(entry: CatalogueEntry, member: TarMember): string | null {
  const path = rawPathOf(entry);
  if (path !== member.path) return `${printableRaw(path)} is in the catalogue where the archive has ${printableRaw(member.path)}`;
  const link = decodeRaw(entry, 'link');
  const type = link === null ? entry.type : 'link';
  if (type !== member.type) return `${printableRaw(path)} is of type ${member.type}, the catalogue says ${type}`;
  if (link !== null && link !== member.target) return `${printableRaw(path)} is a name of another file than the catalogue says`;
  if (entry.torn === true) return null;
  if (entry.type === 'f' && link === null && entry.size !== member.size)
    return `${printableRaw(path)} has ${member.size} bytes, the catalogue says ${entry.size}`;
  if (link === null && (entry.uid !== member.uid || entry.gid !== member.gid))
    return `${printableRaw(path)} belongs to ${member.uid}:${member.gid}, the catalogue says ${entry.uid}:${entry.gid}`;
  return null;
}

function notAsListed(what: string): McadsError {
  return new McadsError('component-failed', `the archive is not what its catalogue lists: ${what}`);
}
