import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { isJsonObject } from '../../src/domain/byte-stream.ts';
import type { Engine } from '../../src/domain/ports.ts';
import { docker } from '../support/engine.ts';
import { runCommand } from '../support/run-command.ts';
import { inVolume } from '../engine/docker-fixture.ts';
import {
  DATABASE,
  failures,
  FILES,
  leftOfDrills,
  openLab,
  spoiled,
  sqlIn,
  temporaryDatabase,
  withContainer,
  type Lab,
} from '../engine/drill-lab.ts';

// Most of them initialise a database server of their own, which takes minutes on a busy machine.
vi.setConfig({ testTimeout: 900_000, hookTimeout: 900_000 });

let lab: Lab;
let before: unknown;
beforeAll(async () => {
  lab = await openLab();
  before = await lab.fingerprint();
});
afterAll(async () => lab[Symbol.asyncDispose]());
/** Whatever a drill finds: the live project is untouched and the copy is gone. */
afterEach(async () => {
  expect(await lab.fingerprint()).toEqual(before);
  expect(await leftOfDrills(lab.folder.name)).toEqual([]);
});

describe('what is stored', () => {
  test('a flipped byte in a chunk is red at level 0', async () => {
    const chunks = join(lab.folder.directory, 'backups', 'chunks');
    const files = (await readdir(chunks, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    const sized = await Promise.all(
      files.map(async ({ parentPath, name }) => ({ path: join(parentPath, name), size: (await stat(join(parentPath, name))).size })),
    );
    const { path } = sized.toSorted((a, b) => b.size - a.size)[0] ?? { path: '' };
    const good = await readFile(path);
    const bad = Buffer.from(good);
    bad[bad.length >> 1] = (bad[bad.length >> 1] ?? 0) ^ 0x40;
    await writeFile(path, bad);
    const result = await lab.drill({ level: 1 });
    await writeFile(path, good);
    expect(failures(result)).toMatchObject([expect.stringMatching(/^L0 .*damaged/)]);
    expect(result.evidence).toMatchObject({ ok: false, level: null });
  });

  test('a truncated dump is red at level 1', async () => {
    const dump = await lab.bytesOf('database/db/shop');
    const snapshot = await lab.doctored({ data: { 'database/db/shop': dump.subarray(0, dump.length - 700) } });
    const result = await lab.drill({ snapshot, components: DATABASE, level: 1 });
    expect(failures(result)).toMatchObject([expect.stringMatching(/^L1 dump: .*stored dump of shop/)]);
    expect(result.evidence.level).toBe(0);
  });

  test('the dump of another database is red at level 1', async () => {
    const snapshot = await lab.doctored({ data: { 'database/db/shop': await lab.bytesOf('database/db/postgres') } });
    const result = await lab.drill({ snapshot, components: DATABASE, level: 1 });
    expect(failures(result)).toMatchObject([expect.stringMatching(/^L1 dump: .*shop/)]);
  });

  test('an archive without a file that its catalogue lists is red at level 1', async () => {
    const tar = await lab.bytesOf('volume/media');
    const name = tar.indexOf('./deep/two');
    const start = tar.lastIndexOf('./deep/PaxHeaders/two', name) === -1 ? name : tar.lastIndexOf('./deep/PaxHeaders/two', name);
    const end = name + 1024;
    const snapshot = await lab.doctored({ data: { 'volume/media': Buffer.concat([tar.subarray(0, start), tar.subarray(end)]) } });
    const result = await lab.drill({ snapshot, components: FILES, level: 1 });
    expect(failures(result)).toMatchObject([expect.stringMatching(/^L1 archive: .*deep\/two is in the catalogue/)]);
  });
});

describe('what a restore needs', () => {
  test('an image that is another one now is red at level 2, and its tag does not stand in for it', async () => {
    const gone = `sha256:${'0'.repeat(64)}`;
    const state = withContainer(await lab.bytesOf('state'), 'db', (json) => ({ ...json, Image: gone }));
    const result = await lab.drill({ snapshot: await lab.doctored({ data: { state } }), components: DATABASE });
    expect(failures(result)).toMatchObject([expect.stringMatching(/^L2 image: service db ran .*000000000000.* is another image now/)]);
  });

  test('a missing extension is red at level 2', async () => {
    const snapshot = await lab.doctored({
      facts: {
        'database/db/shop': (facts) => {
          const { properties } = facts;
          return {
            ...facts,
            properties: { ...(isJsonObject(properties) ? properties : {}), extensions: { plpgsql: '1.0', nowhere: '1.0' } },
          };
        },
      },
    });
    const result = await lab.drill({ snapshot, components: DATABASE });
    expect(failures(result)).toMatchObject([expect.stringMatching(/^L2 database: .*nowhere/)]);
    expect(result.evidence.level).toBe(1);
  });

  test('a missing role is red at level 2', async () => {
    const roles = (await lab.bytesOf('globals/db')).toString();
    const without = roles
      .split('\n')
      .filter((line) => !/ROLE app\b/.test(line))
      .join('\n');
    const result = await lab.drill({
      snapshot: await lab.doctored({ data: { 'globals/db': Buffer.from(without) } }),
      components: DATABASE,
    });
    expect(failures(result)).toMatchObject([expect.stringMatching(/^L2 database: .*app/)]);
  });
});

describe('what was restored', () => {
  const damage: readonly (readonly [what: string, sql: string, says: RegExp])[] = [
    ['doubled rows in a table without a key', 'insert into orders select * from orders', /^L3 database: .*orders.* 400 instead of 200/],
    ['a dropped index', 'drop index by_what', /^L3 database: .*indexes 0 instead of 1/],
    ['a lost grant', 'revoke select on orders from reader', /^L3 database: .*select on tables granted to reader: 0 instead of 1/],
  ];
  test.each(damage)('%s: red at level 3', async (_, sql, says) => {
    const engine = spoiled(lab.engine, {
      after: ['pg_restore', async (container) => sqlIn(container, await temporaryDatabase(container), sql)],
    });
    const result = await lab.drill({ components: DATABASE }, { engine });
    expect(failures(result)).toMatchObject([expect.stringMatching(says)]);
    expect(result.evidence.level).toBe(2);
  });

  const harm: readonly (readonly [what: string, script: string, says: RegExp])[] = [
    ['a lost file', 'rm deep/two', /^L3 entries: .*deep\/two is missing/],
    ['a wrong owner', 'chown 7:7 one.png', /^L3 entries: .*(again|one\.png) belongs to 7:7/],
    [
      'another content under the same times',
      'touch -r deep/two /tmp/t; printf xxx\\\\n > deep/two; touch -r /tmp/t deep/two',
      /^L3 contents: .*deep\/two has another content/,
    ],
  ];
  test.each(harm)('%s: red at level 3', async (_, script, says) => {
    const engine = spoiled(lab.engine, { volume: async (name) => void (await inVolume(name, script)) });
    const result = await lab.drill({ components: FILES, level: 3 }, { engine });
    expect(failures(result)[0]).toMatch(says);
    expect(result.evidence.level).toBe(2);
  });

  test('a restored database that dumps to something else is red at level 4', async () => {
    let spoilt = false;
    const engine = spoiled(lab.engine, {
      after: [
        'pg_restore',
        async () => {
          spoilt = true;
        },
      ],
    });
    const exec: typeof engine.exec = async (container, argv, options, signal) => {
      if (argv[0] === 'pg_dump' && spoilt) await sqlIn(container, 'shop', "comment on table orders is 'nobody said so'");
      return engine.exec(container, argv, options, signal);
    };
    const result = await lab.drill({ components: DATABASE }, { engine: { ...engine, exec } });
    expect(failures(result)).toMatchObject([expect.stringMatching(/^L4 fixpoint: .*1 entries of kind COMMENT instead of 0/)]);
    expect(result.evidence.level).toBe(3);
  });

  test('a live file that changed behind unchanged times is red at level 4', async () => {
    const tar = await lab.bytesOf('volume/media');
    const at = tar.indexOf('two\n', tar.indexOf('./deep/two'));
    const other = Buffer.from(tar);
    other.write('TWO\n', at);
    const result = await lab.drill({ snapshot: await lab.doctored({ data: { 'volume/media': other } }), components: FILES });
    expect(failures(result)).toMatchObject([expect.stringMatching(/^L4 live files: .*deep\/two at the source/)]);
  });

  test('a restore that hangs ends with its time, and the copy goes', async () => {
    const hang = (_: string, signal: AbortSignal): Promise<void> =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }));
    let limit = (): void => undefined;
    const reached = new Promise<void>((resolve) => (limit = resolve));
    const engine = spoiled(lab.engine, {
      after: [
        'pg_restore',
        async (container, signal) => {
          limit();
          await hang(container, signal);
        },
      ],
    });
    const result = await lab.drill({ components: DATABASE, maxDurationMs: 120_000 }, { engine });
    await reached;
    expect(failures(result)).toMatchObject([expect.stringMatching(/^L2 database: the drill took longer than 120 s/)]);
  });
});

test('a disk that gets full is red at level 2, and the copy goes', async () => {
  let mounted: string | null = null;
  const engine: Engine = {
    ...lab.engine,
    makeCopy: async (copy, signal) => {
      const made = await lab.engine.makeCopy(copy, signal);
      const volume = copy.volumes.find(({ recorded }) => recorded === `${lab.folder.name}_media`)?.name ?? '';
      mounted = (await docker(['volume', 'inspect', '--format', '{{.Mountpoint}}', volume])).stdout.trim();
      await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'tmpfs', mounted]);
      return made;
    },
    removeCopy: async (drill, signal) => {
      if (mounted !== null) await runCommand('umount', [mounted]);
      return lab.engine.removeCopy(drill, signal);
    },
  };
  const result = await lab.drill({ components: FILES }, { engine });
  expect(failures(result)).toMatchObject([expect.stringMatching(/^L2 .*: .*No space left on device/)]);
  expect(result.evidence.level).toBe(1);
});

describe('what it is for', () => {
  test('assertions that do not hold are red at level 5, each by its name', async () => {
    const sql = { kind: 'sql', service: 'db', database: null } as const;
    const assertions = [
      { ...sql, name: 'there are orders', sql: 'select count(*) >= 200 from orders;', expect: 't' },
      { ...sql, name: 'nobody orders twice', sql: 'select count(*) from orders', expect: '7' },
      { ...sql, name: 'nothing is written', sql: 'delete from orders returning 1', expect: '1' },
      { kind: 'command', name: 'the server is no newer', service: 'db', argv: ['sh', '-c', 'echo broken >&2; exit 3'] },
    ] as const;
    const result = await lab.drill({ components: DATABASE }, { assertions });
    expect(failures(result)).toEqual([
      expect.stringMatching(/^L5 assertion: assertion "nobody orders twice" does not hold: shop answers "200" instead of "7"/),
      expect.stringMatching(/^L5 assertion: .*read-only transaction/),
      expect.stringMatching(/^L5 assertion: assertion "the server is no newer" does not hold: the command ended with 3: broken/),
    ]);
    expect(result.evidence.level).toBe(4);
  });

  test('a service that never becomes healthy is red at level 6', async () => {
    const onlyWeb = withContainer(await lab.bytesOf('state'), 'db', (json) => ({ ...json, State: { Status: 'exited', Running: false } }));
    const state = withContainer(onlyWeb, 'web', (json) => ({
      ...json,
      Config: {
        ...(isJsonObject(json['Config']) ? json['Config'] : {}),
        Healthcheck: { Test: ['CMD', 'false'], Interval: 1e9, Retries: 1 },
      },
    }));
    const snapshot = await lab.doctored({ data: { state } });
    const result = await lab.drill({ snapshot, components: [...FILES, 'bind/**'], services: true, level: 6, healthTimeoutMs: 10_000 });
    expect(failures(result)).toMatchObject([expect.stringMatching(/^L6 service: web does not come up: .*unhealthy/)]);
    expect(result.evidence.level).toBe(4);
  });
});
