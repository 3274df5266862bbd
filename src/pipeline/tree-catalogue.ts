import type { CatalogueEntry } from '../domain/manifest.ts';
import { decodeRaw, encodeRaw } from '../stream/catalogue.ts';
import type { RawPath } from '../domain/tree.ts';
import type { PlannedMember } from '../stream/segmenter.ts';

interface Notes {
  /** The first member of a segment. */
  readonly begins: boolean;
  readonly torn: boolean;
  /** Length as read, where it is not the scanned one. */
  readonly size: number | undefined;
}

/** What JSON writes as it is. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** A member's line in the catalogue artifact. */
export function catalogueLine(member: PlannedMember, notes: Notes): string {
  const { path, type, mode, uid, gid, mtime, ctime, inode, links, target, link } = member;
  // Nearly every one, of millions: the same text as below.
  if (target === null && link === null && ctime !== '' && !notes.torn && PLAIN.test(path)) {
    const size = notes.size ?? member.size;
    const next = notes.begins ? ',"next":true' : '';
    return `{"path":"${path}","type":"${type}","mode":${mode},"uid":${uid},"gid":${gid},"size":${size},"mtime":"${mtime}","ctime":"${ctime}","inode":"${inode}","links":${links}${next}}\n`;
  }
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

/** The lines of a segment that is stored as it was planned. */
export function catalogueLines(members: readonly PlannedMember[]): string {
  let lines = '';
  for (const member of members) lines += catalogueLine(member, { begins: lines === '', torn: false, size: undefined });
  return lines;
}

/** What they name. */
export function namesIn(lines: string): readonly { readonly path: RawPath; readonly link: RawPath | null }[] {
  return lines
    .trimEnd()
    .split('\n')
    .map((line) => {
      const entry = JSON.parse(line) as CatalogueEntry; // our own lines
      return { path: decodeRaw(entry, 'path') ?? '', link: decodeRaw(entry, 'link') };
    });
}
