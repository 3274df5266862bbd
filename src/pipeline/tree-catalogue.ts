import type { CatalogueEntry } from '../domain/manifest.ts';
import { decodeRaw, encodeRaw, parseCatalogue } from '../stream/catalogue.ts';
import type { RawPath } from '../domain/tree.ts';
import type { PlannedMember } from '../stream/segmenter.ts';

/** What tar found of a file when it opened it: what a restore of that tar brings back. */
export interface AsRead {
  readonly size: number;
  readonly mtime: string;
}

interface Notes {
  /** The first member of a segment. */
  readonly begins: boolean;
  readonly torn: boolean;
  /** What was read, where it is not what was scanned. */
  readonly asRead: AsRead | undefined;
}

/** What JSON writes as it is. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** A member's line in the catalogue artifact. */
export function catalogueLine(member: PlannedMember, notes: Notes): string {
  const { path, type, mode, uid, gid, ctime, inode, links, target, link } = member;
  const { size, mtime } = notes.asRead ?? member;
  // Nearly every one, of millions: the same text as below.
  if (target === null && link === null && ctime !== '' && !notes.torn && PLAIN.test(path)) {
    const next = notes.begins ? ',"next":true' : '';
    return `{"path":"${path}${likeBefore(type, mode, uid, gid)}${size},"mtime":"${mtime}","ctime":"${ctime}","inode":"${inode}","links":${links}${next}}\n`;
  }
  const entry: CatalogueEntry = {
    ...encodeRaw('path', path),
    type,
    mode,
    uid,
    gid,
    size,
    mtime,
    ...(ctime === '' ? {} : { ctime, inode, links }),
    ...(target === null ? {} : encodeRaw('target', target)),
    ...(notes.begins ? { next: true as const } : {}),
    ...(link === null ? {} : encodeRaw('link', link)),
    ...(notes.torn ? { torn: true as const } : {}),
  };
  return `${JSON.stringify(entry)}\n`;
}

let before = { type: 'f', mode: -1, uid: 0, gid: 0, text: '' };

/** What most neighbours have in common, as one text: every part that is joined costs. */
function likeBefore(type: string, mode: number, uid: number, gid: number): string {
  if (mode !== before.mode || uid !== before.uid || gid !== before.gid || type !== before.type)
    before = { type, mode, uid, gid, text: `","type":"${type}","mode":${mode},"uid":${uid},"gid":${gid},"size":` };
  return before.text;
}

/** The lines of a segment that is stored as it was planned. */
export function catalogueLines(members: readonly PlannedMember[]): string {
  let lines = '';
  for (const member of members) lines += catalogueLine(member, { begins: lines === '', torn: false, asRead: undefined });
  return lines;
}

export type StoredNames = readonly StoredName[];

interface StoredName {
  readonly path: RawPath;
  readonly link: RawPath | null;
}

const PATH = '{"path":"';

/** The path in one of our lines; nearly all of them say it as it is. */
export function pathOfLine(line: string): RawPath {
  const end = line.indexOf('"', PATH.length);
  const path = line.slice(PATH.length, end);
  if (line.startsWith(PATH) && PLAIN.test(path)) return path;
  return decodeRaw(JSON.parse(line) as CatalogueEntry, 'path') ?? ''; // our own lines
}

/** What each segment of a stored part of the catalogue names. */
export async function* namesBySegment(part: AsyncIterable<Uint8Array>): AsyncGenerator<StoredNames, undefined> {
  let names: StoredName[] = [];
  let at = 0;
  for await (const entry of parseCatalogue(part)) {
    if (entry.segment !== at) {
      yield names;
      names = [];
      at = entry.segment;
    }
    names.push(toName(entry));
  }
  yield names;
}

function toName(entry: CatalogueEntry): StoredName {
  return { path: decodeRaw(entry, 'path') ?? '', link: decodeRaw(entry, 'link') };
}
