import { describe, expect, test } from 'vitest';
import { exitCodeOf } from '../../src/cli/exit-codes.ts';
import type { RepositoryService, Services } from '../../src/cli/services.ts';
import { ERROR_CODES, McadsError } from '../../src/errors.ts';
import type { BackupResult } from '../../src/pipeline/requests.ts';
import { emptyPlan } from './plan-fixture.ts';
import { REPORT } from '../report/fixtures.ts';
import { stored, CONFIG } from '../report/fake-events.ts';
import { closingStdout, startRun } from './fake-io.ts';

const COMPLETE: BackupResult = {
  ...REPORT,
  plan: emptyPlan(),
  outcomes: [stored(CONFIG, 10, 5, 'live')],
  findings: [],
  manifest:
    REPORT.manifest === null
      ? null
      : { ...REPORT.manifest, sealed: { ...REPORT.manifest.sealed, completeness: 'complete', failed: [], findings: [] } },
};

function backing(result: BackupResult): Partial<Services> {
  return { backup: async () => result };
}

const WARNING = { severity: 'warning', code: 'torn', subject: 'volume/media', message: 'changed while read' } as const;
const ERROR = { severity: 'error', code: 'unreadable', subject: 'volume/media', message: 'may not be read' } as const;

const SUMMARY = {
  name: 'p_backup_20250101_000000',
  project: 'p',
  strategy: 'docker',
  startedAt: '2025-01-01T00:00:00Z',
  completeness: 'complete',
  bytes: 1,
  components: ['config'],
  proof: null,
} as const;

describe('exit codes of a backup', () => {
  test.each([
    ['complete', COMPLETE, [], 0],
    ['complete with a warning', { ...COMPLETE, findings: [WARNING] }, [], 0],
    ['complete with a warning under --strict', { ...COMPLETE, findings: [WARNING] }, ['--strict'], 3],
    ['complete with an error finding', { ...COMPLETE, findings: [ERROR] }, [], 3],
    ['partial', { ...REPORT, plan: emptyPlan() }, [], 3],
    ['nothing captured', { ...COMPLETE, manifest: null }, [], 1],
  ])('%s', async (_name, result, flags, code) => {
    const run = startRun(['backup', ...flags, '--json'], backing(result));
    expect(await run.exit).toBe(code);
    expect(run.json()).toMatchObject({ schema: 1, ok: code === 0, exitCode: code, command: 'backup' });
  });

  test('stdout carries data only: a backup without --json says everything on stderr', async () => {
    const run = startRun(['backup'], backing(COMPLETE));
    expect(await run.exit).toBe(0);
    expect(run.stdout()).toBe('');
    expect(run.stderr()).toContain('Bring back:   mcads-orchestrate restore');
  });

  test('--quiet says nothing about a good backup', async () => {
    const run = startRun(['backup', '-q'], backing(COMPLETE));
    expect(await run.exit).toBe(0);
    expect(run.stdout() + run.stderr()).toBe('');
  });
});

describe('errors', () => {
  test('every error code has an exit code of the table', () => {
    expect(ERROR_CODES.map((code) => [code, exitCodeOf(code)])).toMatchInlineSnapshot(`
      [
        [
          "usage",
          2,
        ],
        [
          "config",
          2,
        ],
        [
          "nothing-found",
          2,
        ],
        [
          "nothing-captured",
          1,
        ],
        [
          "component-failed",
          1,
        ],
        [
          "no-repository",
          10,
        ],
        [
          "no-snapshot",
          10,
        ],
        [
          "foreign-folder",
          2,
        ],
        [
          "locked",
          11,
        ],
        [
          "wrong-key",
          12,
        ],
        [
          "forbidden",
          13,
        ],
        [
          "newer-format",
          13,
        ],
        [
          "engine-unreachable",
          20,
        ],
        [
          "engine-lost",
          20,
        ],
        [
          "engine-failed",
          1,
        ],
        [
          "store-failed",
          21,
        ],
        [
          "damaged",
          30,
        ],
        [
          "proof-failed",
          40,
        ],
        [
          "cancelled",
          130,
        ],
        [
          "terminated",
          143,
        ],
        [
          "unexpected",
          1,
        ],
      ]
    `);
  });

  test('the log file ends with every finding and the exit code', async () => {
    const log: unknown[] = [];
    const run = startRun(['backup'], {
      backup: async (_request, _setup, events) => {
        events({ type: 'planned', components: [] });
        return { ...REPORT, plan: emptyPlan(), findings: [ERROR] };
      },
      openLog: async () => ({
        path: '/l',
        write: (event) => log.push(event.type === 'finding' ? event.finding.message : event.type),
        end: (exitCode, error) => log.push([exitCode, error]),
        [Symbol.asyncDispose]: async () => {},
      }),
    });
    expect(await run.exit).toBe(3);
    expect(log.slice(0, 2)).toEqual(['planned', ERROR.message]);
    expect(log.at(-1)).toEqual([3, null]);
  });

  test('with --json an error is one object on stdout and nothing on stderr', async () => {
    const error = new McadsError('engine-unreachable', 'no answer from unix:///x', { hint: 'is it running?' });
    const run = startRun(['--json', 'backup'], { backup: async () => Promise.reject(error) });
    expect(await run.exit).toBe(20);
    expect(run.json()).toEqual({
      schema: 1,
      ok: false,
      exitCode: 20,
      command: 'backup',
      error: { code: 'engine-unreachable', message: 'no answer from unix:///x', hint: 'is it running?' },
      findings: [],
    });
    expect(run.stderr()).toBe('');
  });

  test('a defect shows its stack and asks for a report', async () => {
    const run = startRun(['backup'], { backup: async () => Promise.reject(new TypeError('x is undefined')) });
    expect(await run.exit).toBe(1);
    expect(run.stderr()).toMatch(/x is undefined[\s\S]*run\.test\.ts[\s\S]*Please report/);
  });

  test('removing snapshots without a terminal needs --yes', async () => {
    const decisions = [{ name: 'p_backup_20250101_000000', kept: false, reason: 'old' }];
    const pruned: boolean[] = [];
    const service = {
      repository: { snapshots: async () => [], classicArchives: async () => [], location: '/b' },
      prune: async ({ dryRun }: { dryRun: boolean }) => {
        pruned.push(dryRun);
        return { decisions, freedBytes: 0, findings: [] };
      },
      [Symbol.asyncDispose]: async () => {},
    } as unknown as RepositoryService; // the two calls that prune makes
    const services = {
      openRepository: async () => service,
      openLog: async () => Promise.reject(new McadsError('forbidden', 'no log here')),
    };
    const refused = startRun(['prune'], services);
    expect(await refused.exit).toBe(2);
    expect(refused.stderr()).toContain('pass --yes');
    expect(pruned).toEqual([true]);
    const done = startRun(['prune', '--yes'], services);
    expect(await done.exit).toBe(0);
    expect(pruned).toEqual([true, true, false]);
  });
});

describe('signals', () => {
  function untilAborted(signal: AbortSignal): Promise<never> {
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason instanceof Error ? signal.reason : new Error('aborted')), { once: true });
    });
  }

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('the first %s cancels and ends with %i', async (name, code) => {
    const started = Promise.withResolvers<void>();
    const run = startRun(['backup'], {
      backup: async (_request, _setup, _events, signal) => {
        started.resolve();
        return await untilAborted(signal);
      },
    });
    await started.promise;
    run.send(name);
    expect(await run.exit).toBe(code);
    expect(run.stderr()).toContain('Cancelling');
    expect(run.hardExits).toEqual([]);
  });

  test('the second one ends at once, after a warning', async () => {
    const started = Promise.withResolvers<void>();
    const hangs = Promise.withResolvers<BackupResult>();
    const run = startRun(['backup'], {
      backup: async () => {
        started.resolve();
        return await hangs.promise;
      },
    });
    await started.promise;
    run.send('SIGINT');
    run.send('SIGINT');
    expect(run.hardExits).toEqual([130]);
    expect(run.stderr()).toContain('recover');
    hangs.resolve(COMPLETE);
    await run.exit;
  });
});

test('files --json gives times as ISO 8601 to the nanosecond', async () => {
  const times = ['0', '1754058545.123456789', '1754058545.5', '-1.250000000', '-0.250000000', '1754058545.000000000'];
  const service = {
    repository: { snapshots: async () => [SUMMARY], classicArchives: async () => [], location: '/b' },
    damagedSnapshots: async () => [],
    files: async function* () {
      for (const mtime of times) yield { component: 'config', path: 'x', type: 'f', mode: 0o644, uid: 0, gid: 0, bytes: 1, mtime };
    },
    [Symbol.asyncDispose]: async () => {},
  } as unknown as RepositoryService; // what files calls
  const run = startRun(['files', 'latest', '--json'], { openRepository: async () => service });
  expect(await run.exit).toBe(0);
  expect([...run.stdout().matchAll(/"mtime":"([^"]+)"/g)].map(([, time]) => time)).toEqual([
    '1970-01-01T00:00:00Z',
    '2025-08-01T14:29:05.123456789Z',
    '2025-08-01T14:29:05.500000000Z',
    '1969-12-31T23:59:58.750000000Z',
    '1969-12-31T23:59:59.750000000Z',
    '2025-08-01T14:29:05Z',
  ]);
});

test('a reader that goes away ends a listing quietly', async () => {
  const service = {
    repository: {
      snapshots: async () => [SUMMARY],
      classicArchives: async () => [],
      location: '/b',
    },
    damagedSnapshots: async () => [],
    files: async function* () {
      for (let n = 0; n < 100_000; n += 1) {
        yield { component: 'config', path: `file-${n}`, type: 'f', mode: 0o644, uid: 0, gid: 0, bytes: 1, mtime: '0' };
      }
    },
    [Symbol.asyncDispose]: async () => {},
  } as unknown as RepositoryService; // what files calls
  const run = startRun(['files', 'latest'], { openRepository: async () => service }, { stdout: closingStdout() });
  expect(await run.exit).toBe(0);
  expect(run.stderr()).toBe('');
});

test('the next command of any kind brings back what a killed run left, and says so', async () => {
  const run = startRun(['recover', '-p', 'shop', '--json'], { recover: async () => ({ undone: ['started db'], failed: [] }) });
  expect(await run.exit).toBe(0);
  expect(run.json()).toMatchObject({ undone: ['started db'], failed: [] });
  const service = {
    repository: { snapshots: async () => [], classicArchives: async () => [], location: '/b' },
    damagedSnapshots: async () => [],
    [Symbol.asyncDispose]: async () => {},
  } as unknown as RepositoryService; // what list calls
  const listed = startRun(['list', '-p', 'shop', '--json'], {
    openRepository: async () => service,
    undoLeftovers: async () => ({ undone: ['started db'], failed: [] }),
  });
  expect(await listed.exit).toBe(0);
  expect(listed.json()['findings']).toEqual([
    { severity: 'warning', code: 'undone', subject: 'recover', message: 'undone what a killed run left: started db' },
  ]);
});
