import { linkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { TreeSource } from '../../src/domain/tree.ts';
import { McadsError } from '../../src/errors.ts';
import { planSegments } from '../../src/pipeline/tree-plan.ts';
import { DatabaseWatch } from '../../src/pipeline/tree-databases.ts';
import { BatchedEntries } from '../../src/pipeline/entry-reader.ts';
import { TreeFindings } from '../../src/pipeline/tree-findings.ts';
import { readSegments, type ReadSegment } from '../../src/pipeline/tree-read.ts';
import { TreeFixture } from '../support/tree-capture.ts';

const NEVER = new AbortController().signal;
const RULES = { recipe: '', stableInodes: true, began: 0, exclude: [], isExcluded: () => false, neverCapture: [], neverCapturePaths: [] };

/** Reads the whole tree, so many names a tar; `before` happens between the scan and the first name. */
async function read(fixture: TreeFixture, source: TreeSource, namesATar: number | undefined, before = (): void => undefined) {
  const scan = source.scan(NEVER);
  const planned = await Array.fromAsync(planSegments(new BatchedEntries(scan.batches), RULES, new DatabaseWatch(), new TreeFindings()));
  before();
  async function* toRead() {
    for (const segment of planned) yield { ...segment, reuse: null };
  }
  const segments: ReadSegment[] = [];
  const options = { onBytes: () => undefined, ...(namesATar === undefined ? {} : { namesATar }) };
  const messages = await readSegments(source, fixture.writer, toRead(), async (one) => void segments.push(one), options, NEVER);
  return { segments: segments.map(({ index, bytes, chunks, missing }) => ({ index, bytes, chunks, missing })), messages };
}

function awkward(fixture: TreeFixture): void {
  const large = new Uint8Array(300_000).map((_, at) => (at * 7919) >>> 5);
  fixture.write(
    Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`d${at % 7}/${at}`, at % 9 === 0 ? large : `${at}`.repeat(at * 50)])),
  );
  linkSync(join(fixture.tree, 'd1/1'), join(fixture.tree, 'd5/link'));
  linkSync(join(fixture.tree, 'd1/1'), join(fixture.tree, 'z'));
}

test.each([1, 2, 3, 7, 47, 48, 49, 1000])(
  'a tree read by a tar for every %s names is the one that a single tar reads',
  async (namesATar) => {
    await using fixture = new TreeFixture();
    awkward(fixture);
    let tars = 0;
    const source = await fixture.source((real) => ({
      read: (paths, signal) => {
        tars += 1;
        return real.read(paths, signal);
      },
    }));
    const whole = await read(fixture, source, undefined);
    expect(tars).toBe(1);
    expect(await read(fixture, source, namesATar)).toEqual(whole);
    expect(tars).toBe(1 + Math.ceil(48 / namesATar)); // the root, 7 folders, 40 files; the links need no tar
  },
);

test('files that went away are missing wherever a tar ends, with the words of each', async () => {
  await using fixture = new TreeFixture();
  awkward(fixture);
  const source = await fixture.source();
  const gone = ['d0/0', 'd2/2', 'd6/6', 'd6/34'];
  const { segments, messages } = await read(fixture, source, 3, () => {
    for (const name of gone) rmSync(join(fixture.tree, name));
  });
  expect(segments.flatMap(({ missing }) => missing).toSorted()).toEqual(gone.toSorted());
  expect(messages.filter((message) => message.includes('Cannot stat'))).toHaveLength(gone.length);
});

test('more messages than a call takes arguments are all handed on', async () => {
  await using fixture = new TreeFixture();
  awkward(fixture);
  const said = Array.from({ length: 300_000 }, (_, at) => `tar: ./${at}: Cannot open: Permission denied`);
  const source = await fixture.source((real) => ({
    read: (paths, signal) => {
      const { body, done } = real.read(paths, signal);
      return { body, done: done.then(() => ({ messages: said })) };
    },
  }));
  expect((await read(fixture, source, undefined)).messages).toHaveLength(said.length);
});

test('a tar that fails in the middle ends the listing too', async () => {
  await using fixture = new TreeFixture();
  awkward(fixture);
  let tars = 0;
  const source = await fixture.source((real) => ({
    read: (paths, signal) => {
      tars += 1;
      if (tars === 2) throw new McadsError('component-failed', 'no second tar');
      return real.read(paths, signal);
    },
  }));
  const ended = Promise.withResolvers<void>();
  const scan = source.scan(NEVER);
  async function* toRead() {
    try {
      for await (const segment of planSegments(new BatchedEntries(scan.batches), RULES, new DatabaseWatch(), new TreeFindings()))
        yield { ...segment, reuse: null };
    } finally {
      ended.resolve();
    }
  }
  const options = { onBytes: () => undefined, namesATar: 5 };
  await expect(readSegments(source, fixture.writer, toRead(), async () => undefined, options, NEVER)).rejects.toThrow('no second tar');
  await ended.promise;
});
