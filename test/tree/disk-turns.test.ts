import { expect, test } from 'vitest';
import type { TreeSource } from '../../src/domain/tree.ts';
import { openLocalTree } from '../../src/host/local-tree.ts';
import { DiskTurns } from '../../src/pipeline/disk-turns.ts';
import { asParent, TreeFixture } from '../support/tree-capture.ts';

const NEVER = new AbortController().signal;

/** A tree on that disk whose reading says when it begins and goes on only when it may. */
async function held(fixture: TreeFixture, disk: string | null): Promise<{ source: TreeSource; began: Promise<void>; goOn: () => void }> {
  const began = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const source = await fixture.source((real) => ({
    disk,
    read: (paths, signal) => {
      began.resolve();
      const { body, done } = real.read(paths, signal);
      async function* later(): AsyncGenerator<Uint8Array> {
        await gate.promise;
        yield* body;
      }
      return { body: later(), done };
    },
  }));
  return { source, began: began.promise, goOn: gate.resolve };
}

async function tree(): Promise<TreeFixture> {
  const fixture = new TreeFixture();
  fixture.write({ 'a/one.txt': 'one', 'b/two.txt': 'two' });
  return fixture;
}

test('trees on one rotating disk are read one after the other, others beside them', async () => {
  await using first = await tree();
  await using second = await tree();
  await using other = await tree();
  const turns = new DiskTurns();
  const reading = await held(first, '8:0');
  const waiting = await held(second, '8:0');
  const order: string[] = [];
  void reading.began.then(() => order.push('first begins'));
  void waiting.began.then(() => order.push('second begins'));
  const one = first.capture(reading.source, { turns }).then(() => order.push('first is done'));
  await reading.began;
  waiting.goOn();
  const two = second.capture(waiting.source, { turns });
  for (const disk of [null, '8:16', null]) {
    const free = await held(other, disk);
    free.goOn();
    expect((await other.capture(free.source, { turns })).segmentsRead).toBeGreaterThan(0);
  }
  expect(order).toEqual(['first begins']);
  reading.goOn();
  await Promise.all([one, two]);
  expect(order.toSorted()).toEqual(['first begins', 'first is done', 'second begins']);
});

test('nobody waits for a turn where nothing has changed', async () => {
  await using first = await tree();
  await using second = await tree();
  const turns = new DiskTurns();
  const before = await second.capture(await second.source());
  const reading = await held(first, '8:0');
  const one = first.capture(reading.source, { turns });
  await reading.began;
  const again = await second.capture(await second.source({ disk: '8:0' }), { turns, parent: asParent(before) });
  expect(again).toMatchObject({ segmentsRead: 0 });
  reading.goOn();
  await one;
});

test('a reading that fails or is given up lets the next one in', async () => {
  await using fixture = await tree();
  const turns = new DiskTurns();
  const broken = await fixture.source({
    disk: '8:0',
    read: () => {
      throw new Error('no tar');
    },
  });
  await expect(fixture.capture(broken, { turns })).rejects.toThrow('no tar');
  const turn = await turns.take('8:0', NEVER);
  const stop = new AbortController();
  const given = turns.take('8:0', stop.signal);
  const patient = turns.take('8:0', NEVER);
  stop.abort(new Error('given up'));
  await expect(given).rejects.toThrow('given up');
  turn[Symbol.dispose]();
  using _patient = await patient;
});

test('a local tree knows its disk where that rotates', async () => {
  await using fixture = await tree();
  await using source = await openLocalTree(fixture.tree, {}, NEVER);
  // Whether this machine's disk says so of itself is not for the test to know; what it says must be a device.
  expect(source.disk ?? '0:0').toMatch(/^\d+:\d+$/);
  await using proc = await openLocalTree('/proc/self/fd', {}, NEVER);
  expect(proc.disk).toBeNull();
});
