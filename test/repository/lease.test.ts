import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { Lease, LeaseObserver, type LeaseMode } from '../../src/repository/lease.ts';
import type { Store } from '../../src/repository/store.ts';
import { LocalStore } from '../../src/repository/stores/local.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { NEVER } from '../support/repository-fixture.ts';
import { runCommand } from '../support/run-command.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const QUICK = { timeToLiveMs: 60_000, renewMs: 5000, pollMs: 5 };

function acquire(store: Store, mode: LeaseMode, timeoutMs = 0, more: { snapshot?: string; signal?: AbortSignal } = {}): Promise<Lease> {
  return Lease.acquire(store, { mode, purpose: `a ${mode} test`, timeoutMs, signal: NEVER, times: QUICK, ...more });
}

describe('locks', () => {
  test('many may share, one alone may exclude', async () => {
    const store = new MemoryStore();
    {
      await using one = await acquire(store, 'shared');
      await using two = await acquire(store, 'shared');
      await expect(acquire(store, 'exclusive')).rejects.toMatchObject({
        code: 'locked',
        message: expect.stringContaining('a shared test') as string,
      });
      expect(one.id).not.toBe(two.id);
    }
    await using alone = await acquire(store, 'exclusive');
    await expect(acquire(store, 'shared')).rejects.toMatchObject({ code: 'locked', context: { holder: alone.id } });
    await expect(acquire(store, 'exclusive')).rejects.toMatchObject({ code: 'locked' });
  });

  test('are waited for, and gone when let go', async () => {
    const store = new MemoryStore();
    const first = await acquire(store, 'exclusive');
    const second = acquire(store, 'exclusive', 10_000);
    await first[Symbol.asyncDispose]();
    await using held = await second;
    held.assertHeld();
    await held[Symbol.asyncDispose]();
    expect(store.objects.size).toBe(0);
  });

  test('of many that ask at once never two exclude each other’s work, and all get their turn', async () => {
    const store = new MemoryStore();
    let holders = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        await using lease = await acquire(store, 'exclusive', 30_000);
        holders += 1;
        most = Math.max(most, holders);
        await Promise.resolve();
        lease.assertHeld();
        holders -= 1;
      }),
    );
    expect(most).toBe(1);
  });

  test('two runs with the same snapshot name are told apart, other names do not meet', async () => {
    const store = new MemoryStore();
    await using one = await acquire(store, 'shared', 1000, { snapshot: 'a' });
    await using other = await acquire(store, 'shared', 1000, { snapshot: 'b' });
    await expect(acquire(store, 'shared', 1000, { snapshot: 'a' })).rejects.toMatchObject({ context: { nameTaken: true } });
    expect(one.id).not.toBe(other.id);
  });

  test('waiting for one ends when the run is cancelled, and leaves nothing', async () => {
    const store = new MemoryStore();
    await using held = await acquire(store, 'exclusive');
    const stop = new AbortController();
    const waiting = acquire(store, 'shared', 60_000, { signal: stop.signal });
    stop.abort(new Error('cancelled'));
    await expect(waiting).rejects.toThrow('aborted');
    expect([...store.objects.keys()]).toEqual([`locks/${held.id}.json`]);
  });

  test('name the snapshots that their run builds on', async () => {
    const store = new MemoryStore();
    await using lease = await acquire(store, 'shared');
    await lease.nameParents(['a', 'b']);
    expect((await new LeaseObserver(store).alive()).flatMap(({ parents }) => parents)).toEqual(['a', 'b']);
  });
});

describe('a dead holder’s lock', () => {
  async function withFrozenClock(work: (advance: (ms: number) => void) => Promise<void>): Promise<void> {
    vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval'] });
    try {
      await work((ms) => void vi.advanceTimersByTime(ms));
    } finally {
      vi.useRealTimers();
    }
  }

  /** What SIGKILL leaves. */
  async function leaveRecord(store: Store, counter: number, timeToLiveMs: number = QUICK.timeToLiveMs): Promise<string> {
    const lease = await acquire(store, 'exclusive');
    const bytes = await store.get(`locks/${lease.id}.json`);
    await lease[Symbol.asyncDispose]();
    if (bytes === null) throw new Error('no record');
    await store.put(
      `locks/${lease.id}.json`,
      Buffer.from(
        bytes
          .toString()
          .replace(/"counter":\d+/, `"counter":${counter}`)
          .replace(/"timeToLiveMs":\d+/, `"timeToLiveMs":${timeToLiveMs}`),
      ),
    );
    return lease.id;
  }

  test('is taken over once its counter has stood still for its whole time on our own clock', async () => {
    await withFrozenClock(async (advance) => {
      const store = new MemoryStore();
      const id = await leaveRecord(store, 7);
      const observer = new LeaseObserver(store);
      expect(await observer.alive()).toMatchObject([{ id }]);
      advance(QUICK.timeToLiveMs);
      expect(await observer.alive()).toMatchObject([{ id }]);
      await expect(acquire(store, 'shared', 0)).rejects.toMatchObject({ code: 'locked' }); // a newcomer has not watched long enough
      advance(1);
      expect(await observer.alive()).toEqual([]);
      await using heir = await acquire(store, 'exclusive', 0);
      heir.assertHeld();
    });
  });

  test('is waited out by whoever waits as long as by default, also where that is less than its time; not where it shows life', async () => {
    await withFrozenClock(async (advance) => {
      const store = new MemoryStore();
      const id = await leaveRecord(store, 7, 120_000);
      const watched = new Promise<void>((resolve) => {
        const get = store.get.bind(store);
        let seen = 0;
        store.get = async (key) => {
          if (key === `locks/${id}.json` && (seen += 1) === 2) resolve();
          return get(key);
        };
      });
      const waiting = acquire(store, 'exclusive', 60_000);
      await watched;
      advance(60_001); // the time is over, and nothing is known yet
      advance(60_000);
      await using heir = await waiting;
      heir.assertHeld();
    });
    await withFrozenClock(async (advance) => {
      const store = new MemoryStore();
      const id = await leaveRecord(store, 7, 120_000);
      let counter = 7;
      const get = store.get.bind(store);
      store.get = async (key) => {
        const bytes = await get(key);
        if (key !== `locks/${id}.json` || bytes === null) return bytes;
        advance(20_000);
        return Buffer.from(
          Buffer.from(bytes)
            .toString()
            .replace('"counter":7', `"counter":${(counter += 1)}`),
        );
      };
      await expect(acquire(store, 'exclusive', 60_000)).rejects.toMatchObject({ code: 'locked' });
    });
  });

  test('is not taken over while it still counts', async () => {
    await withFrozenClock(async (advance) => {
      const store = new MemoryStore();
      const id = await leaveRecord(store, 1);
      const observer = new LeaseObserver(store);
      await observer.alive();
      for (let counter = 2; counter < 6; counter += 1) {
        advance(QUICK.timeToLiveMs);
        const bytes = (await store.get(`locks/${id}.json`)) ?? Buffer.alloc(0);
        await store.put(`locks/${id}.json`, Buffer.from(bytes.toString().replace(/"counter":\d+/, `"counter":${counter}`)));
        expect(await observer.alive()).toMatchObject([{ id, counter }]);
      }
    });
  });

  test('on a local disk is known at once, because the kernel saw the process die', async () => {
    await using folder = await temporaryFolder();
    const script = `
      import { LocalStore } from '${new URL('../../src/repository/stores/local.ts', import.meta.url).pathname}';
      import { Lease } from '${new URL('../../src/repository/lease.ts', import.meta.url).pathname}';
      const store = await LocalStore.open(${JSON.stringify(folder.path)});
      await Lease.acquire(store, { mode: 'exclusive', purpose: 'dying', timeoutMs: 0, signal: new AbortController().signal });
      process.kill(process.pid, 'SIGKILL');`;
    await runCommand(process.execPath, ['--input-type=module', '-e', script], { accept: 'any' });
    expect(await readdir(join(folder.path, 'locks'))).toHaveLength(2);

    await using store = await LocalStore.open(folder.path);
    {
      await using heir = await acquire(store, 'exclusive', 0);
      heir.assertHeld();
      // And a living one is known to live, by another store of the same process too.
      await using other = await LocalStore.open(folder.path);
      expect(await new LeaseObserver(other).alive()).toMatchObject([{ id: heir.id }]);
    }
    expect(await readdir(join(folder.path, 'locks'))).toEqual([]);
  });
});

describe('a holder', () => {
  test('stops by itself when half of its time went by without a renewal', async () => {
    const store = new MemoryStore();
    vi.useFakeTimers({ toFake: ['Date', 'performance', 'setInterval', 'clearInterval'] });
    try {
      await using lease = await acquire(store, 'shared');
      lease.assertHeld();
      vi.setSystemTime(Date.now() + QUICK.timeToLiveMs); // the machine slept: wall time moved, nothing else did
      expect(() => lease.assertHeld()).toThrow(/lost/);
      expect(lease.signal.aborted).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });
});

test.each(['', '{"id":', '[]', '\0\0\0\0'])('a lease that nobody can read (%j) and nobody holds is in nobody’s way', async (content) => {
  await using folder = await temporaryFolder();
  const store = await LocalStore.open(folder.path);
  await mkdir(join(folder.path, 'locks'));
  await writeFile(join(folder.path, 'locks/00000000000000aa.json'), content);
  await using lease = await acquire(store, 'exclusive');
  expect(await readdir(join(folder.path, 'locks'))).not.toContain('00000000000000aa.json');
  expect(lease.signal.aborted).toBe(false);
});
