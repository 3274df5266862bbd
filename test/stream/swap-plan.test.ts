import fc from 'fast-check';
import { expect, test } from 'vitest';
import { planBack, planSwap, splitsOf, type Move } from '../../src/stream/swap-plan.ts';

const STAGING = '.mcads-restore-0123456789ab';

/** A file is its content, a folder what is in it. */
type Tree = Map<string, Tree | string>;

function folderAt(root: Tree, path: string): Tree | null {
  let at: Tree | string | undefined = root;
  for (const name of path.split('/')) {
    if (name === '.' || name === '') continue;
    if (!(at instanceof Map)) return null;
    at = at.get(name);
  }
  return at instanceof Map ? at : null;
}

function makeFolder(root: Tree, path: string): void {
  let at = root;
  for (const name of path.split('/')) {
    const next = at.get(name) ?? new Map();
    if (typeof next === 'string') throw new Error(`${path} is in the way`);
    at.set(name, next);
    at = next;
  }
}

function listed(root: Tree, paths: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const folders = new Map<string, readonly string[]>();
  for (const path of paths) {
    const folder = folderAt(root, path);
    if (folder !== null) folders.set(path, [...folder.keys()]);
  }
  return folders;
}

/** Renames one by one as `mv -n` does, at most `budget` of them. Returns how many it did. */
function move(root: Tree, moves: readonly Move[], budget = Infinity): number {
  let done = 0;
  for (const { from, to, names } of moves) {
    const [source, target] = [folderAt(root, from), folderAt(root, to)];
    if (source === null || target === null) throw new Error(`${from} or ${to} is not there`);
    for (const name of names) {
      const what = source.get(name);
      if (done === budget) return done;
      if (what === undefined) throw new Error(`${name} is not in ${from}`);
      expect(target.has(name)).toBe(false);
      source.delete(name);
      target.set(name, what);
      done += 1;
    }
  }
  return done;
}

const name = fc.constantFrom('a', 'b', 'c', 'd');
const tree: fc.Arbitrary<Tree> = fc.letrec<{ tree: Tree; node: Tree | string }>((tie) => ({
  node: fc.oneof({ depthSize: 'small', withCrossShrink: true }, fc.constantFrom('one', 'two'), tie('tree')),
  tree: fc.array(fc.tuple(name, tie('node')), { maxLength: 4 }).map((entries): Tree => new Map(entries)),
})).tree;
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));
const kept = fc.uniqueArray(path, { maxLength: 3 });

function shown(root: Tree): unknown {
  return [...root]
    .filter(([key]) => key !== STAGING)
    .map(([key, value]) => ({ key, value: typeof value === 'string' ? value : shown(value) }))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1));
}

function nodeAt(root: Tree, at: string): Tree | string | undefined {
  const parent = folderAt(root, at.split('/').slice(0, -1).join('/'));
  return parent?.get(at.split('/').at(-1) ?? '');
}

function prepared(live: Tree, fresh: Tree, keptPaths: readonly string[], only: string | null) {
  const root = structuredClone(live);
  root.set(
    STAGING,
    new Map([
      ['new', structuredClone(fresh)],
      ['old', new Map()],
    ]),
  );
  const splits = splitsOf(keptPaths);
  const places = splits.flatMap((split) => [
    split === '' ? '.' : `./${split}`,
    split === '' ? `./${STAGING}/new` : `./${STAGING}/new/${split}`,
  ]);
  const plan = planSwap({ staging: STAGING, splits, kept: keptPaths, only: only === null ? null : [only], folders: listed(root, places) });
  for (const split of plan.splits) makeFolder(root, [STAGING, 'old', split].filter(Boolean).join('/'));
  const back = (): readonly Move[] => {
    const of = (folder: string): readonly string[] =>
      plan.splits.map((split) => (split === '' ? `./${STAGING}/${folder}` : `./${STAGING}/${folder}/${split}`));
    const all = [...plan.splits.map((split) => (split === '' ? '.' : `./${split}`)), ...of('old'), ...of('new')];
    const gone = `gone${folderAt(root, STAGING)?.size ?? 0}`;
    const moves = planBack(STAGING, plan, listed(root, all), gone);
    for (const split of plan.splits) makeFolder(root, [STAGING, gone, split].filter(Boolean).join('/'));
    return moves;
  };
  return { root, plan, back };
}

const steps = fc.nat(12);

test('a swap broken off anywhere, and a way back broken off anywhere, end with what was there before', () => {
  fc.assert(
    fc.property(
      tree,
      tree,
      kept,
      fc.option(name),
      steps,
      fc.array(steps, { maxLength: 3 }),
      (live, fresh, keptPaths, only, first, later) => {
        const { root, plan, back } = prepared(live, fresh, keptPaths, only);
        move(root, plan.moves, first);
        for (const budget of later) move(root, back(), budget);
        move(root, back());
        expect(shown(root)).toEqual(shown(live));
      },
    ),
    { numRuns: 3000 },
  );
});

test('a whole swap leaves what stays, and everything else as it is in the new tree', () => {
  fc.assert(
    fc.property(tree, tree, kept, (live, fresh, keptPaths) => {
      const { root, plan } = prepared(live, fresh, keptPaths, null);
      move(root, plan.moves);
      for (const one of keptPaths) {
        const before = nodeAt(live, one);
        if (before !== undefined) expect(nodeAt(root, one)).toEqual(before);
      }
      if (keptPaths.every((one) => nodeAt(live, one) === undefined && nodeAt(fresh, one) === undefined)) {
        const splitLive = plan.splits.filter((split) => split !== '' && folderAt(fresh, split) === null);
        if (splitLive.length === 0) expect(shown(root)).toEqual(shown(fresh));
      }
    }),
    { numRuns: 3000 },
  );
});

test('with a single file nothing else in its folder is touched', () => {
  const live: Tree = new Map<string, Tree | string>([
    ['a', 'old'],
    ['b', 'other'],
  ]);
  const { root, plan, back } = prepared(live, new Map([['a', 'new']]), [], 'a');
  move(root, plan.moves);
  expect(shown(root)).toEqual([
    { key: 'a', value: 'new' },
    { key: 'b', value: 'other' },
  ]);
  root.set('c', 'came since');
  move(root, back());
  expect(shown(root)).toEqual([
    { key: 'a', value: 'old' },
    { key: 'b', value: 'other' },
    { key: 'c', value: 'came since' },
  ]);
});

test('what was written since goes with a swap that is taken back, and stays where the swap had not begun', () => {
  const live: Tree = new Map([['a', 'old']]);
  const fresh: Tree = new Map([['a', 'new']]);
  const swapped = prepared(live, fresh, [], null);
  move(swapped.root, swapped.plan.moves);
  swapped.root.set('log', 'of the restored service');
  move(swapped.root, swapped.back());
  expect(shown(swapped.root)).toEqual([{ key: 'a', value: 'old' }]);
  const waiting = prepared(live, fresh, [], null);
  waiting.root.set('log', 'of the service as it was');
  expect(waiting.back()).toEqual([]);
});
