import type { CatalogueEntry } from '../domain/manifest.ts';
import { encodeRaw } from '../stream/catalogue.ts';
import type { PlannedMember } from '../stream/segmenter.ts';

interface Notes {
  /** The first member of a segment. */
  readonly begins: boolean;
  readonly torn: boolean;
  /** Length as read, where it is not the scanned one. */
  readonly size: number | undefined;
}

/** A member's line in the catalogue artifact. */
export function catalogueLine(member: PlannedMember, notes: Notes): string {
  const { path, type, mode, uid, gid, mtime, ctime, inode, links, target, link } = member;
  const entry: CatalogueEntry = {
    ...encodeRaw('path', path),
    type,
    mode,
    uid,
    gid,
    size: notes.size ?? member.size,
    mtime,
    ...(ctime === '' ? {} : { ctime, inode, links }),
    ...(target === null ? {} : encodeRaw('target', target)),
    ...(notes.begins ? { next: true as const } : {}),
    ...(link === null ? {} : encodeRaw('link', link)),
    ...(notes.torn ? { torn: true as const } : {}),
  };
  return `${JSON.stringify(entry)}\n`;
}
