import { describe, expect, test } from 'vitest';
import type { RepositoryService, Services } from '../../src/cli/services.ts';
import type { Uncovered } from '../../src/domain/finding.ts';
import type { SnapshotSummary } from '../../src/domain/snapshot-summary.ts';
import { McadsError } from '../../src/errors.ts';
import { parseUnits } from '../../src/host/unit-states.ts';
import { startRun } from './fake-io.ts';

const HOUR = 3_600_000;

function snapshot(hoursAgo: number, given: Partial<SnapshotSummary> = {}): SnapshotSummary {
  const startedAt = new Date(Date.now() - hoursAgo * HOUR).toISOString();
  const stamp = startedAt.slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '_');
  return {
    name: `shop_backup_${stamp}`,
    project: 'shop',
    strategy: 'docker',
    startedAt,
    completeness: 'complete',
    bytes: 5_000_000,
    components: [],
    proof: null,
    ...given,
  };
}

function repository(snapshots: readonly SnapshotSummary[], uncovered: readonly Uncovered[] = [], damaged: readonly object[] = []) {
  const service = {
    repository: {
      snapshots: async () => snapshots,
      classicArchives: async () => [],
      manifest: async () => ({ sealed: { uncovered } }),
      location: '/b',
    },
    damagedSnapshots: async () => damaged,
    [Symbol.asyncDispose]: async () => {},
  } as unknown as RepositoryService; // what status calls
  return { openRepository: async () => service };
}

const UP = { service: 'web', container: 'shop-web-1', state: 'running', health: 'healthy', exitCode: 0 } as const;
const DOWN = { service: 'db', container: 'shop-db-1', state: 'exited', health: 'none', exitCode: 1 } as const;
const RUNNING: Partial<Services> = { projectServices: async () => ({ kind: 'services', services: [UP, DOWN] }) };

describe('exit codes', () => {
  const drilled = snapshot(3, { proof: { level: 3, at: new Date(Date.now() - 2 * HOUR).toISOString() } });

  test.each([
    ['in time', [snapshot(1)], [], [], 0],
    ['overdue by the default of 26 h', [snapshot(27)], [], [], 4],
    ['in time for --max-age 2d', [snapshot(27)], ['--max-age', '2d'], [], 0],
    ['overdue for --max-age 30m', [snapshot(1)], ['--max-age', '30m'], [], 4],
    ['unproven', [snapshot(1)], ['--max-proof-age', '30d'], [], 4],
    ['proven', [drilled], ['--max-proof-age', '30d'], [], 0],
    ['unprotected', [snapshot(1)], [], [{ subject: 'service cache', reason: 'in the container' }], 4],
    ['only memory is not covered', [snapshot(1)], [], [{ subject: 'web:/run', reason: 'tmpfs', harmless: true as const }], 0],
    ['an empty repository', [], [], [], 4],
  ])('%s', async (_name, snapshots, flags, uncovered, code) => {
    const run = startRun(['status', '-p', 'shop', '--json', ...flags], { ...RUNNING, ...repository(snapshots, uncovered) });
    expect(await run.exit).toBe(code);
    expect(run.json()).toMatchObject({ command: 'status', ok: code === 0, exitCode: code });
  });

  test('damaged snapshots are 30, whatever else', async () => {
    const damaged = [{ id: 'shop_backup_x', problem: 'damaged', message: 'its manifest does not match' }];
    const run = startRun(['status', '-p', 'shop'], repository([], [], damaged));
    expect(await run.exit).toBe(30);
    expect(run.stderr()).toContain('its manifest does not match');
  });

  test('without a repository a known project is not protected, and nothing is made', async () => {
    const services: Partial<Services> = {
      openRepository: async () => Promise.reject(new McadsError('no-repository', 'no repository at /b')),
    };
    const known = startRun(['status', '-p', 'shop', '--json'], services);
    expect(await known.exit).toBe(4);
    expect(known.json()).toMatchObject({ projects: [{ project: 'shop', snapshots: 0, overdue: true }] });
    const nothing = startRun(['status'], services);
    expect(await nothing.exit).toBe(10);
  });
});

test('what it shows: services, snapshots, the last drill, disks, and what to do', async () => {
  const proof = { level: 3, at: new Date(Date.now() - 50 * HOUR).toISOString() };
  const snapshots = [snapshot(30, { proof }), snapshot(2, { completeness: 'partial', bytes: 1024 })];
  const run = startRun(['status', '-p', 'shop'], { ...RUNNING, ...repository(snapshots) });
  expect(await run.exit).toBe(4);
  expect(run.stdout()).toMatch(/^shop: overdue, 2 snapshots, last drill: level 3, 2 days ago\n/);
  expect(run.stdout()).toMatch(/SERVICE +STATE\nweb +healthy\ndb +exited \(1\)\n/);
  expect(run.stdout()).toMatch(
    /shop_backup_\d+_\d+ +2 hours ago +1\.0 KiB +partial +none\nshop_backup_\d+_\d+ +1 day ago +4\.8 MiB +complete +level 3, 2 days ago\n/,
  );
  expect(run.stdout()).toMatch(/DISK OF.*SIZE +FREE/);
  expect(run.stderr()).toMatch(/error.*its newest complete snapshot was made 1 day ago; allowed: 1d 02h/);
  expect(run.stderr()).toMatch(/warning.*db: it is exited \(1\)/);
  expect(run.stderr()).toMatch(/the newest snapshot is a partial one/);
});

test('from cron it says nothing when all is well, and only what is wrong when it is not', async () => {
  const well = startRun(['status', '-q', '-p', 'shop'], repository([snapshot(1)]));
  expect(await well.exit).toBe(0);
  expect(well.stdout() + well.stderr()).toBe('');
  const late = startRun(['status', '-q', '-p', 'shop'], repository([snapshot(100)]));
  expect(await late.exit).toBe(4);
  expect(late.stdout()).toBe('');
  expect(late.stderr()).toContain('its newest complete snapshot');
});

test('a project without Docker is not only called unproven: no drill could prove it, and what to do is said', async () => {
  const run = startRun(['status', '-p', 'shop', '--max-proof-age', '30d'], repository([snapshot(1, { strategy: 'host' })]));
  expect(await run.exit).toBe(4);
  expect(run.stdout()).toContain('last drill: not without Docker');
  expect(run.stderr()).toContain('no drill can prove it');
  expect(run.stderr()).toContain('leave --max-proof-age (maxProofAge) out for it');
  expect(run.stderr()).not.toContain('run `drill`');
});

test('a drill of a snapshot made without Docker ends before an engine is asked for, and says what proves it instead', async () => {
  for (const args of [[], ['--oldest-proof']]) {
    const run = startRun(['drill', '-p', 'shop', ...args], repository([snapshot(1, { strategy: 'host' })]));
    expect(await run.exit).toBe(2);
    expect(run.stderr()).toContain('a drill restores into containers: it cannot be drilled');
    expect(run.stderr()).toContain('verify --read-data');
  }
});

test('the JSON object holds what a monitor asks', async () => {
  const run = startRun(['status', '-p', 'shop', '--json'], { ...RUNNING, ...repository([snapshot(1)]) });
  expect(await run.exit).toBe(0);
  const { projects, disks } = run.json() as { projects: readonly Record<string, unknown>[]; disks: readonly Record<string, unknown>[] };
  expect(projects).toHaveLength(1);
  expect(projects[0]).toMatchObject({
    project: 'shop',
    services: [
      { service: 'web', container: 'shop-web-1', state: 'running', health: 'healthy' },
      { service: 'db', state: 'exited' },
    ],
    snapshots: 1,
    ageSeconds: expect.any(Number),
    newest: [{ completeness: 'complete', bytes: 5_000_000 }],
    lastDrill: null,
    overdue: false,
    unproven: false,
    unprotected: [],
  });
  expect(disks).toHaveLength(2);
  for (const disk of disks)
    expect(disk).toMatchObject({ path: expect.any(String), bytes: expect.any(Number), freeBytes: expect.any(Number) });
});

test('--all-projects judges each project of the repository', async () => {
  const other = snapshot(100, { project: 'other', name: 'other_backup_20250101_000000' });
  const run = startRun(['status', '--all-projects', '--json'], repository([snapshot(1), other]));
  expect(await run.exit).toBe(4);
  expect(run.json()).toMatchObject({
    projects: [
      { project: 'other', overdue: true },
      { project: 'shop', overdue: false },
    ],
  });
});

test('an engine that does not answer is a warning: the snapshots count', async () => {
  const services: Partial<Services> = { projectServices: async () => ({ kind: 'silent', reason: 'unix:///x refused' }) };
  const run = startRun(['status', '-p', 'shop', '--json'], { ...services, ...repository([snapshot(1)]) });
  expect(await run.exit).toBe(0);
  expect(run.json()).toMatchObject({
    projects: [{ services: null }],
    findings: [{ severity: 'warning', code: 'engine-silent', message: expect.stringContaining('unix:///x refused') }],
  });
});

test('where Docker is absent the usual units are asked for', async () => {
  const asked: string[] = [];
  const services: Partial<Services> = {
    unitStates: async (names) => {
      asked.push(...names);
      return [{ name: 'mcads.service', active: 'failed', enabled: 'enabled' }];
    },
  };
  const run = startRun(['status', '-p', 'shop'], { ...services, ...repository([snapshot(1)]) });
  expect(await run.exit).toBe(0);
  expect(asked).toEqual(['mcads.service', 'nginx.service']);
  expect(run.stdout()).toMatch(/mcads\.service +failed, enabled/);
  expect(run.stderr()).toContain('mcads.service: it has failed');
});

test('what systemctl shows is read, units that do not exist are left out', () => {
  const text =
    'Id=mcads.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n\n' +
    'Id=nginx.service\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n\n' +
    'Id=run-x.service\nLoadState=loaded\nActiveState=failed\nUnitFileState=\n';
  expect(parseUnits(text)).toEqual([
    { name: 'mcads.service', active: 'active', enabled: 'enabled' },
    { name: 'run-x.service', active: 'failed', enabled: 'static' },
  ]);
});

test('a unit that is enabled and does not run is a warning; one that ends by itself or that nobody enabled is none', async () => {
  const show = [
    'Id=mcads.service\nLoadState=loaded\nActiveState=inactive\nUnitFileState=enabled\nType=simple\n',
    'Id=migrate.service\nLoadState=loaded\nActiveState=inactive\nUnitFileState=enabled\nType=oneshot\n',
    'Id=celery.service\nLoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\nType=simple\n',
  ].join('\n');
  const run = startRun(['status', '-p', 'shop'], { ...repository([snapshot(1)]), unitStates: async () => parseUnits(show) });
  expect(await run.exit).toBe(0);
  expect(run.stderr()).toContain('mcads.service: it is enabled and does not run');
  expect(run.stderr()).not.toMatch(/migrate|celery/);
  const strict = startRun(['status', '-p', 'shop', '--strict'], { ...repository([snapshot(1)]), unitStates: async () => parseUnits(show) });
  expect(await strict.exit).not.toBe(0);
});
