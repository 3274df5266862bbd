import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openEngine } from '../../src/docker/open-engine.ts';
import type { Engine, UndoReport } from '../../src/domain/ports.ts';
import type { RestoreJournal } from '../../src/domain/restore.ts';
import { docker, testEngine, uniqueName } from '../support/engine.ts';
import { openTestEngine, signal } from './docker-fixture.ts';

let engine: Engine;
/** What the engine asked to be undone, and what it is told of it. */
let asked: RestoreJournal[] = [];
let answer: UndoReport = { undone: [], failed: [] };

beforeAll(async () => {
  engine = await openEngine(
    {
      context: null,
      environment: { ...process.env, DOCKER_HOST: testEngine().dockerHost, DOCKER_CONTEXT: undefined },
      home: '/nonexistent',
      ownVersion: 'test',
      undoRestore: async (given, journal) => {
        expect(given).toBe(engine);
        asked.push(journal);
        return answer;
      },
    },
    signal,
  );
});
afterAll(async () => engine[Symbol.asyncDispose]());

function journalOf(project: string, volumes: readonly string[] = []): RestoreJournal {
  return {
    format: 1,
    run: '0123456789ab',
    project,
    snapshot: `${project}_backup_20260101_000000`,
    startedAt: '2026-01-01T00:00:00.000Z',
    users: [],
    running: [],
    trees: [],
    databases: [],
    roles: [],
    files: [{ path: '/tmp/日本 "quoted" \\ \u2028 🦊', kept: null }],
    created: { containers: [], networks: [], volumes },
  };
}

async function recordsOf(project: string): Promise<readonly string[]> {
  const { stdout } = await docker([
    'volume',
    'ls',
    '--quiet',
    '--filter',
    'label=mcads.record',
    '--filter',
    `label=mcads.project=${project}`,
  ]);
  return stdout.split('\n').filter(Boolean);
}

/** Records a restore in a process of its own and kills that. */
async function dieWith(journal: RestoreJournal): Promise<void> {
  const script = fileURLToPath(new URL('docker-victim.ts', import.meta.url));
  const child = spawn(process.execPath, [script, testEngine().dockerHost, 'restore', JSON.stringify(journal)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

test('a restore that was killed is undone by the next claim, whole as it was written, and its record goes', async () => {
  const project = uniqueName();
  const journal = journalOf(
    project,
    Array.from({ length: 4000 }, (_, at) => `${project}_volume-${at}`),
  );
  await dieWith(journal);
  expect((await recordsOf(project)).length).toBeGreaterThan(2);
  await docker(['container', 'prune', '--force', '--filter', `label=mcads.project=${project}`]);
  [asked, answer] = [[], { undone: ['put back volume/media'], failed: [] }];
  const { claim, undone } = await engine.claimProject(project, 'backup', signal);
  await claim[Symbol.asyncDispose]();
  expect(undone).toEqual(answer);
  expect(asked).toEqual([journal]);
  expect(await recordsOf(project)).toEqual([]);
  asked = [];
  await engine.recover(project, signal);
  expect(asked).toEqual([]);
});

test('what could not be undone stays for the next run', async () => {
  const project = uniqueName();
  await dieWith(journalOf(project));
  [asked, answer] = [[], { undone: [], failed: ['volume/media: no'] }];
  expect((await engine.recover(project, signal)).failed).toEqual(['volume/media: no']);
  expect((await recordsOf(project)).length).toBe(1);
  [asked, answer] = [[], { undone: ['put back volume/media'], failed: [] }];
  expect((await engine.recover(project, signal)).undone).toContain('put back volume/media');
  expect(asked.map((journal) => journal.project)).toContain(project);
  expect(await recordsOf(project)).toEqual([]);
});

test('a program that cannot undo a restore says so and leaves the record', async () => {
  const project = uniqueName();
  await dieWith(journalOf(project));
  await using other = await openTestEngine();
  expect((await other.recover(project, signal)).failed).toEqual([expect.stringContaining('is not undone') as string]);
  expect((await recordsOf(project)).length).toBe(1);
  [asked, answer] = [[], { undone: [], failed: [] }];
  await engine.recover(project, signal);
});

test('of a record that is not there whole nothing is undone, and it is cleared away', async () => {
  const project = uniqueName();
  await dieWith(
    journalOf(
      project,
      Array.from({ length: 4000 }, (_, at) => `${project}_volume-${at}`),
    ),
  );
  const [, second = ''] = await recordsOf(project);
  await docker(['volume', 'rm', second]);
  [asked, answer] = [[], { undone: [], failed: [] }];
  expect(await engine.recover(project, signal)).toMatchObject({ failed: [] });
  expect(asked).toEqual([]);
  expect(await recordsOf(project)).toEqual([]);
});

test('a restore that ended leaves nothing to undo', async () => {
  const project = uniqueName();
  const { claim } = await engine.claimProject(project, 'restore', signal);
  await claim.recordRestore(journalOf(project));
  await claim.recordRestore(journalOf(project, ['further on']));
  await claim.clearRestore();
  await claim[Symbol.asyncDispose]();
  asked = [];
  await engine.recover(project, signal);
  expect(asked).toEqual([]);
});

test('of a restore that was written down again as it went on only the newest record counts', async () => {
  const project = uniqueName();
  const { claim } = await engine.claimProject(project, 'restore', signal);
  await claim.recordRestore(journalOf(project, ['first']));
  await claim.recordRestore(journalOf(project, ['second']));
  await claim[Symbol.asyncDispose]();
  asked = [];
  await engine.recover(project, signal);
  expect(asked).toMatchObject([{ created: { volumes: ['second'] } }]);
});

test('states that are kept are told newest first, by project, until they are forgotten', async () => {
  const [one, two] = [uniqueName(), uniqueName()];
  const until = new Date('2026-02-01T00:00:00Z');
  await engine.keepRestore(journalOf(one, ['first']), until, signal);
  await engine.keepRestore(journalOf(two), until, signal);
  await engine.keepRestore(journalOf(one, ['second']), until, signal);
  const kept = await engine.keptRestores(one, signal);
  expect(kept.map(({ journal }) => journal.created.volumes)).toEqual([['second'], ['first']]);
  expect(kept[0]).toMatchObject({ until: until.toISOString(), journal: journalOf(one, ['second']) });
  expect((await engine.keptRestores(null, signal)).map(({ journal }) => journal.project)).toEqual(expect.arrayContaining([one, two]));
  await engine.recover(one, signal);
  expect((await engine.keptRestores(one, signal)).length).toBe(2);
  for (const { id } of [...kept, ...(await engine.keptRestores(two, signal))]) await engine.forgetRestore(id, signal);
  expect(await engine.keptRestores(one, signal)).toEqual([]);
  expect(await recordsOf(two)).toEqual([]);
});
