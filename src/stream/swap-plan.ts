import type { McadsError } from '../errors.ts';
import type { RawPath } from '../domain/tree.ts';
import { isStagingName } from './restore-commands.ts';

/** Names that go from one folder to another; both relative to the root (`.`, `./a`). */
export interface Move {
  readonly from: string;
  readonly to: string;
  readonly names: readonly string[];
  readonly isOut: boolean;
}

/** What a swap does, complete before it begins; kept in the staging directory for the way back. */
export interface SwapPlan {
  /** Directories whose children are moved one by one, the root (`''`) first, because something that stays lies in or below them. */
  readonly splits: readonly RawPath[];
  /** Those of them that the new tree has too: they become as it says. */
  readonly described: readonly RawPath[];
  readonly kept: readonly RawPath[];
  /** The names that are swapped (single files, and what lies beside them for their sake); null for all. */
  readonly only: readonly string[] | null;
  /** What is replaced, by directory. */
  readonly outs: readonly { readonly split: RawPath; readonly names: readonly string[] }[];
  readonly moves: readonly Move[];
}

/** A folder in which something stays and that is none in the new tree, which would be left without it; null where there is none. */
export function inTheWay({ splits, only }: SwapPlan, staging: string, folders: Folders): RawPath | null {
  if (only !== null) return null;
  const come = (split: RawPath): readonly string[] => folders.get(within(`${staging}/new`, parentOf(split))) ?? [];
  const held = splits.find(
    (split) =>
      split !== '' && !folders.has(within(`${staging}/new`, split)) && come(split).includes(split.slice(split.lastIndexOf('/') + 1)),
  );
  return held ?? null;
}

type Folders = ReadonlyMap<string, readonly string[]>;

/** The root and every directory above a path that stays, parents first. What lies in something that stays is no reason to open that. */
export function splitsOf(kept: readonly RawPath[]): readonly RawPath[] {
  const splits = new Set<RawPath>(['']);
  const whole = new Set(kept);
  for (const path of kept) {
    const parts = path.split('/');
    if (parts.some((_, depth) => depth > 0 && whole.has(parts.slice(0, depth).join('/')))) continue;
    for (let depth = 1; depth < parts.length; depth += 1) splits.add(parts.slice(0, depth).join('/'));
  }
  return [...splits].toSorted((a, b) => a.split('/').length - b.split('/').length || (a < b ? -1 : 1));
}

/**
 * Everything live that does not stay goes to `old`, everything new that is not in the way of what stays comes in. `folders` lists the live and
 * new split directories that are directories.
 */
export function planSwap(given: {
  readonly staging: string;
  readonly splits: readonly RawPath[];
  readonly kept: readonly RawPath[];
  readonly only: readonly string[] | null;
  readonly folders: Folders;
}): SwapPlan {
  const { staging, kept, only, folders } = given;
  const splits: RawPath[] = [];
  for (const path of given.splits) if (folders.has(live(path)) && (path === '' || splits.includes(parentOf(path)))) splits.push(path);
  const stays = staying(splits, kept, only);
  const described: RawPath[] = [];
  const outs: { readonly split: RawPath; readonly names: readonly string[] }[] = [];
  const outMoves: Move[] = [];
  const inMoves: Move[] = [];
  for (const split of splits) {
    const out = (folders.get(live(split)) ?? []).filter((name) => !stays(split, name));
    outs.push({ split, names: out });
    if (out.length > 0) outMoves.push({ from: live(split), to: within(`${staging}/old`, split), names: out, isOut: true });
    const fresh = within(`${staging}/new`, split);
    const isThere = folders.has(fresh) && (split === '' || described.includes(parentOf(split)));
    if (!isThere) continue;
    described.push(split);
    const come = (folders.get(fresh) ?? []).filter((name) => !stays(split, name));
    if (come.length > 0) inMoves.push({ from: fresh, to: live(split), names: come, isOut: false });
  }
  return { splits, described, kept, only, outs, moves: [...outMoves, ...inMoves] };
}

/**
 * Back from wherever a swap or an earlier way back was interrupted; `folders` lists the live, old and new split directories. What is live and was
 * not there before goes away into `gone` first; a name that was there before and is not in `old` was never moved, or is back already.
 * Nothing at all is moved where the swap had not moved anything: then what is live now is the users' own.
 */
export function planBack(staging: string, plan: SwapPlan, folders: Folders, gone: string): readonly Move[] {
  const stays = staying(plan.splits, plan.kept, plan.only);
  const away: Move[] = [];
  const back: Move[] = [];
  if (!hasBegun(staging, plan, folders)) return [];
  for (const split of plan.splits) {
    const before = new Set(plan.outs.find((out) => out.split === split)?.names);
    const old = within(`${staging}/old`, split);
    const saved = (folders.get(old) ?? []).filter((name) => before.has(name));
    const isSaved = new Set(saved);
    const come = (folders.get(live(split)) ?? []).filter((name) => !stays(split, name) && !(before.has(name) && !isSaved.has(name)));
    if (come.length > 0) away.push({ from: live(split), to: within(`${staging}/${gone}`, split), names: come, isOut: true });
    if (saved.length > 0) back.push({ from: old, to: live(split), names: saved, isOut: false });
  }
  return [...away, ...back];
}

/** A name has left the place that it was moved from. */
function hasBegun(staging: string, plan: SwapPlan, folders: Folders): boolean {
  const hasOld = plan.splits.some((split) =>
    (folders.get(within(`${staging}/old`, split)) ?? []).some((name) => isReplaced(plan, split, name)),
  );
  if (hasOld) return true;
  return plan.moves.some(({ from, names, isOut }) => {
    if (isOut) return false;
    const waiting = new Set(folders.get(from));
    return names.some((name) => !waiting.has(name));
  });
}

function isReplaced(plan: SwapPlan, split: RawPath, name: string): boolean {
  return plan.outs.some((out) => out.split === split && out.names.includes(name));
}

/** `D<folder>`, `E<child>`, in the end `~<status>`, NUL-terminated. */
export function parseFolders(text: string, error: (why: string) => McadsError): Folders {
  const folders = new Map<string, string[]>();
  let current: string[] | null = null;
  let status: string | null = null;
  for (const record of text.split('\0').slice(0, -1)) {
    const rest = record.slice(1);
    if (record.startsWith('D')) folders.set(rest, (current = []));
    else if (record.startsWith('E') && current !== null) current.push(rest);
    else if (record.startsWith('~')) status = rest;
  }
  if (status !== '0') throw error(status === null ? 'the listing was cut short' : `status ${status}`);
  return folders;
}

function staying(
  splits: readonly RawPath[],
  kept: readonly RawPath[],
  only: readonly string[] | null,
): (split: RawPath, name: string) => boolean {
  const untouched = new Set([...splits, ...kept]);
  return (split, name) => {
    if (isStagingName(name)) return true;
    if (only !== null && split === '' && !only.includes(name)) return true;
    return untouched.has(split === '' ? name : `${split}/${name}`);
  };
}

function live(split: RawPath): string {
  return split === '' ? '.' : `./${split}`;
}

function within(folder: string, split: RawPath): string {
  return split === '' ? `./${folder}` : `./${folder}/${split}`;
}

function parentOf(path: RawPath): RawPath {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}
