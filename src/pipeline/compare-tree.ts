import type { CatalogueEntry } from '../domain/manifest.ts';
import { compareWalkOrder, type RawPath, type TreeEntry } from '../domain/tree.ts';
import { decodeRaw, printableRaw } from '../stream/catalogue.ts';
import { rawPathOf } from './select-components.ts';

export interface TreeComparison {
  /** Entries of the catalogue that were found as recorded. */
  readonly entries: number;
  readonly bytes: number;
  /** The first few differences, for people. */
  readonly differences: readonly string[];
}

/** How finely times are kept on the way: whole seconds by the engine's archive call, doubles by Node's own calls. */
export type TimePrecision = 'second' | 'millisecond' | 'nanosecond';

const MOST_TOLD = 5;

/**
 * What was recorded against what is there, both in walk order: type, mode, owner, size, time, targets, hard links. Sockets are never restored.
 * A torn file is whatever its last reading was: only its type is compared.
 */
export async function compareTree(
  recorded: AsyncIterable<CatalogueEntry>,
  found: AsyncIterable<TreeEntry>,
  options: { readonly times: TimePrecision },
): Promise<TreeComparison> {
  const differences: string[] = [];
  const tell = (path: RawPath, what: string): void => {
    if (differences.length < MOST_TOLD) differences.push(`${printableRaw(path)} ${what}`);
  };
  const links = new LinkGroups();
  const counts = { entries: 0, bytes: 0 };
  const wanted = withoutSockets(recorded)[Symbol.asyncIterator]();
  const there = found[Symbol.asyncIterator]();
  try {
    let want = await wanted.next();
    let is = await there.next();
    while (want.done !== true || is.done !== true) {
      const order = want.done === true ? 1 : is.done === true ? -1 : compareWalkOrder(rawPathOf(want.value), is.value.path);
      if (order < 0 && want.done !== true) tell(rawPathOf(want.value), 'is missing');
      else if (order > 0 && is.done !== true) {
        // A folder that was removed while it was read, of which files had been stored: tar makes it for them.
        const isImplied = is.value.type === 'd' && want.done !== true && rawPathOf(want.value).startsWith(`${is.value.path}/`);
        if (!isImplied) tell(is.value.path, 'is not in the snapshot');
      } else if (want.done !== true && is.done !== true) {
        counts.entries += 1;
        if (is.value.type === 'f') counts.bytes += is.value.size;
        const problem = differenceOf(want.value, is.value, options.times) ?? links.differenceOf(want.value, is.value);
        if (problem !== null) tell(is.value.path, problem);
      }
      if (order <= 0) want = await wanted.next();
      if (order >= 0) is = await there.next();
    }
  } finally {
    await wanted.return?.(undefined);
    await there.return?.(undefined);
  }
  return { ...counts, differences };
}

async function* withoutSockets(entries: AsyncIterable<CatalogueEntry>): AsyncGenerator<CatalogueEntry> {
  for await (const entry of entries) if (entry.type !== 's') yield entry;
}

function differenceOf(want: CatalogueEntry, is: TreeEntry, times: TimePrecision): string | null {
  if (want.type !== is.type) return `is of type ${is.type}, recorded ${want.type}`;
  if (want.torn === true) return null;
  // Another name of a file that has been looked at already, and that may have changed after this name of it was listed.
  if (decodeRaw(want, 'link') !== null) return null;
  if (want.type !== 'l' && want.mode !== is.mode) return `has mode ${is.mode.toString(8)}, recorded ${want.mode.toString(8)}`;
  if (want.uid !== is.uid || want.gid !== is.gid) return `belongs to ${is.uid}:${is.gid}, recorded ${want.uid}:${want.gid}`;
  if (want.type === 'f' && want.size !== is.size) return `has ${is.size} bytes, recorded ${want.size}`;
  if (want.type === 'l' && decodeRaw(want, 'target') !== is.target) return `points elsewhere`;
  const [was, now] = [canonicalTime(want.mtime), canonicalTime(is.mtime)];
  return isSameTime(was, now, times) ? null : `is of ${now}, recorded ${was}`;
}

function isSameTime(a: string, b: string, times: TimePrecision): boolean {
  if (times === 'nanosecond') return a === b;
  return times === 'second' ? a.split('.', 1)[0] === b.split('.', 1)[0] : Math.abs(Number(a) - Number(b)) < 0.001;
}

/** Files with several names: the first name of a group in walk order stands for it on both sides. */
class LinkGroups {
  readonly #firstByInode = new Map<string, RawPath>();

  differenceOf(want: CatalogueEntry, is: TreeEntry): string | null {
    const recorded = decodeRaw(want, 'link');
    if (is.type === 'd' || (is.links < 2 && recorded === null)) return null;
    const key = `${is.device} ${is.inode}`;
    const first = this.#firstByInode.get(key) ?? null;
    if (first === null) this.#firstByInode.set(key, is.path);
    return first === recorded ? null : recorded === null ? 'is a second name of another file' : 'is no second name of its file';
  }
}

/** Seconds with the zeros of the fraction's end cut off. */
function canonicalTime(time: string): string {
  return time.includes('.') ? time.replace(/\.?0+$/, '') : time;
}
