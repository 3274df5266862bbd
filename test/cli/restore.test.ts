import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { McadsError } from '../../src/errors.ts';
import { PLAN, RESULT } from '../report/restore-fixtures.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { startRun } from './fake-io.ts';
import { PARTIAL, repositoryOf, restoring, SUMMARY, terminal } from './restore-fixture.ts';

describe('the question before a restore', () => {
  test('the name of the project, typed, is a yes', async () => {
    await using folder = await temporaryFolder();
    const { seen, services } = restoring(folder.path);
    const { io, screen } = terminal('mcads\r');
    const run = startRun(['restore', 'latest', '-r', '/b'], services, { workingDirectory: folder.path, ...io });
    expect(await run.exit).toBe(0);
    expect(seen.changed).toBe(true);
    expect(screen()).toContain('Type mcads to go ahead');
    expect(screen()).toMatch(/Way back +what is replaced is kept for 7 days/);
    expect(screen()).toContain('Go back:');
  });

  test.each([['n\r'], ['\r'], ['y\r'], ['mcad\r'], ['MCADS\r'], ['\x03']])('%j is a no: exit 130, nothing changed', async (typed) => {
    await using folder = await temporaryFolder();
    const { seen, services } = restoring(folder.path);
    const { io, screen } = terminal(typed);
    const run = startRun(['restore', 'latest', '-r', '/b'], services, { workingDirectory: folder.path, ...io });
    expect(await run.exit).toBe(130);
    expect(seen.changed).toBe(false);
    expect(screen()).toContain('nothing was changed');
    expect(await readdir(folder.path)).toEqual([]);
  });

  test('without a terminal it takes --yes, and the error says the whole command', async () => {
    await using folder = await temporaryFolder();
    const { seen, services } = restoring(folder.path);
    const argv = ['restore', 'latest', 'my db', '-r', '/b'];
    const refused = startRun(argv, services, { workingDirectory: folder.path });
    expect(await refused.exit).toBe(2);
    expect(refused.stderr()).toContain("mcads-orchestrate restore latest 'my db' -r /b --yes");
    expect(seen.changed).toBe(false);
    const asJson = startRun([...argv, '--json', '--', 'x'], services, { workingDirectory: folder.path });
    expect(await asJson.exit).toBe(2);
    expect(asJson.json()).toMatchObject({ error: { code: 'usage', hint: expect.stringContaining('--json --yes -- x') } });
  });

  test('--yes answers it and still shows the plan, except with -q and --json', async () => {
    await using folder = await temporaryFolder();
    const { services } = restoring(folder.path);
    const run = async (flags: readonly string[]) => {
      const started = startRun(['restore', 'latest', '-r', '/b', '-y', ...flags], services, { workingDirectory: folder.path });
      expect(await started.exit).toBe(0);
      return started;
    };
    expect((await run(['--log-dir', join(folder.path, 'l1')])).stderr()).toContain('Way back');
    expect((await run(['-q', '--log-dir', join(folder.path, 'l2')])).stderr()).toBe('');
    expect((await run(['--json', '--log-dir', join(folder.path, 'l3')])).stderr()).toBe('');
  });

  test('a signal at the question ends the run as a signal does', async () => {
    await using folder = await temporaryFolder();
    const { seen, services } = restoring(folder.path);
    const { io, asked } = terminal('');
    const run = startRun(['restore', 'latest', '-r', '/b'], services, { workingDirectory: folder.path, ...io });
    await asked;
    run.send('SIGTERM');
    expect(await run.exit).toBe(143);
    expect(seen.changed).toBe(false);
  });
});

describe('a dry run', () => {
  test('shows the plan on stdout, asks nothing and undoes nothing', async () => {
    await using folder = await temporaryFolder();
    const { services } = restoring(folder.path, {
      restore: async () => Promise.reject(new Error('a dry run restored')),
      undoLeftovers: async () => Promise.reject(new Error('a dry run undid something')),
    });
    const run = startRun(['restore', 'latest', '-r', '/b', '-p', 'mcads', '--dry-run'], services, { workingDirectory: folder.path });
    expect(await run.exit).toBe(0);
    expect(run.stdout()).toContain('never drilled');
    expect(await readdir(folder.path)).toEqual([]);
    const json = startRun(['restore', 'latest', '-r', '/b', '--dry-run', '--json'], services, { workingDirectory: folder.path });
    expect(await json.exit).toBe(0);
    expect(json.json()).toMatchObject({ ok: true, command: 'restore', plan: { project: 'mcads', components: expect.any(Array) } });
  });

  test('a plan with an error is exit 3', async () => {
    await using folder = await temporaryFolder();
    const findings = [{ severity: 'error', code: 'image-missing', subject: 'web', message: 'not here' } as const];
    const { services } = restoring(folder.path, { planRestore: async () => ({ ...PLAN, findings }) });
    const run = startRun(['restore', 'latest', '-r', '/b', '-n'], services, { workingDirectory: folder.path });
    expect(await run.exit).toBe(3);
  });
});

describe('what is restored where', () => {
  test('an empty directory and a repository are enough: the project is the snapshot’s own', async () => {
    await using folder = await temporaryFolder();
    const { seen, services } = restoring(folder.path);
    const run = startRun(['restore', 'latest', '-r', '/b', '-n', '--json'], services, { workingDirectory: folder.path });
    expect(await run.exit).toBe(0);
    expect(seen.request).toEqual({
      snapshot: SUMMARY.name,
      services: [],
      components: [],
      directory: folder.path,
      projectName: null,
      as: null,
      asks: true,
      withConfig: false,
      keepOldMs: 604_800_000,
      forceShared: false,
      safetyBackup: true,
      start: true,
      jobs: expect.any(Number),
      transport: 'auto',
      helperImage: null,
      healthTimeoutMs: 120_000,
      neverTouch: ['/b', join(folder.path, 'logs')],
    });
  });

  test('every option and the setting reach the plan', async () => {
    await using folder = await temporaryFolder();
    const { seen, services } = restoring(folder.path);
    const flags = ['--as', 'copy', '--with-config', '--force-shared', '--no-safety-backup', '--no-start', '--transport', 'archive'];
    const more = ['--helper-image', 'busybox', '--jobs', '3', '--component', 'volume/*', '-p', 'mcads'];
    const environment = { MCADS_KEEP_OLD: '0' };
    const run = startRun(['restore', '20250801', 'web', 'db', '-r', '/b', '-n', '--json', ...flags, ...more], services, {
      workingDirectory: folder.path,
      environment,
    });
    expect(await run.exit).toBe(0);
    expect(seen.request).toMatchObject({
      services: ['web', 'db'],
      components: ['volume/*'],
      projectName: 'mcads',
      as: 'copy',
      withConfig: true,
      forceShared: true,
      safetyBackup: false,
      start: false,
      transport: 'archive',
      helperImage: 'busybox',
      jobs: 3,
      keepOldMs: 0,
    });
    const flagWins = startRun(['restore', 'latest', '-r', '/b', '-n', '--json', '--keep-old', '2d'], services, {
      workingDirectory: folder.path,
      environment,
    });
    expect(await flagWins.exit).toBe(0);
    expect(seen.request?.keepOldMs).toBe(2 * 86_400_000);
  });

  test('a project that runs elsewhere is restored where it lives, a copy beside goes here', async () => {
    await using folder = await temporaryFolder();
    const running = [{ project: 'mcads', workingDirectory: '/srv/mcads', configFiles: [], containers: 1, running: 1 }];
    const { seen, services } = restoring(folder.path, { listProjects: async () => running });
    const options = { workingDirectory: folder.path };
    await startRun(['restore', 'latest', '-r', '/b', '-n', '--json'], services, options).exit;
    expect(seen.request).toMatchObject({ directory: '/srv/mcads', neverTouch: ['/b', '/srv/mcads/logs'] });
    await startRun(['restore', 'latest', '-r', '/b', '-n', '--json', '--as', 'copy'], services, options).exit;
    expect(seen.request?.directory).toBe(folder.path);
    await startRun(['restore', 'latest', '-r', '/b', '-n', '--json', '--project-directory', folder.path], services, options).exit;
    expect(seen.request?.directory).toBe(folder.path);
  });

  test('a newer partial snapshot is mentioned', async () => {
    await using folder = await temporaryFolder();
    const { seen, services } = restoring(folder.path, repositoryOf([SUMMARY, PARTIAL]));
    const run = startRun(['restore', 'latest', '-r', '/b', '-n'], services, { workingDirectory: folder.path });
    expect(await run.exit).toBe(0);
    expect(run.stderr()).toContain(`A newer, partial snapshot exists: ${PARTIAL.name}`);
    expect(seen.request?.snapshot).toBe(SUMMARY.name);
  });

  test.each([
    [['--as', 'Not A Name'], '--as Not A Name is no project name'],
    [['--as', 'mcads'], '--as mcads names the original'],
    [['--all-projects'], 'restore takes one project at a time'],
    [['--component', 'volume/none'], 'has no component volume/none'],
    [['--keep-old', 'for ever'], '--keep-old must be a duration'],
  ])('%j is a usage error', async (flags, message) => {
    await using folder = await temporaryFolder();
    const { seen, services } = restoring(folder.path);
    const run = startRun(['restore', 'latest', '-r', '/b', '--yes', ...flags], services, { workingDirectory: folder.path });
    expect(await run.exit).toBe(2);
    expect(run.stderr()).toContain(message);
    expect(seen.request).toBeNull();
  });

  test('another project’s snapshot is not put into this one by chance', async () => {
    await using folder = await temporaryFolder();
    const { seen, services } = restoring(folder.path, {
      ...repositoryOf([{ ...SUMMARY, name: 'blog_backup_20250801_142905', project: 'blog' }]),
    });
    const options = { workingDirectory: folder.path, environment: { MCADS_PROJECT: '' } };
    const model = { name: 'shop', workingDirectory: folder.path, files: [], services: {}, volumes: {}, networks: {}, extensions: {} };
    // The parts of a model that the command line reads.
    const withModel = { ...services, loadCompose: async () => ({ ...model, whereIs: () => null }) as never };
    const run = startRun(['restore', 'blog_backup_20250801_142905', '-r', '/b', '--yes'], withModel, options);
    expect(await run.exit).toBe(2);
    expect(run.stderr()).toContain('is a snapshot of blog, and this directory is the project shop');
    expect(seen.request).toBeNull();
    const meant = startRun(['restore', 'blog_backup_20250801_142905', '-r', '/b', '-n', '--json', '-p', 'shop'], withModel, options);
    expect(await meant.exit).toBe(0);
    expect(seen.request?.projectName).toBe('shop');
  });
});

describe('the end of a restore', () => {
  const FAILED = { severity: 'error', code: 'image-missing', subject: 'web', message: 'not here' } as const;
  const SICK = { severity: 'error', code: 'service-not-healthy', subject: 'web', message: 'is unhealthy' } as const;
  const TORN = { severity: 'warning', code: 'torn', subject: 'volume/media', message: 'a was torn' } as const;

  test.each([
    ['all of it', RESULT, [], 0],
    ['a warning', { ...RESULT, findings: [TORN] }, [], 0],
    ['a warning under --strict', { ...RESULT, findings: [TORN] }, ['--strict'], 3],
    ['an image is missing', { ...RESULT, findings: [FAILED] }, [], 3],
    ['a service is not healthy', { ...RESULT, findings: [FAILED, SICK] }, [], 40],
    ['a component failed', { ...RESULT, components: RESULT.components.map((one) => ({ ...one, outcome: 'failed' as const })) }, [], 3],
  ])('%s', async (_name, result, flags, code) => {
    await using folder = await temporaryFolder();
    const { services } = restoring(folder.path, {
      restore: async (_request, _setup, confirm) => {
        await confirm(PLAN);
        return result;
      },
    });
    const run = startRun(['restore', 'latest', '-r', '/b', '--yes', '--json', ...flags], services, { workingDirectory: folder.path });
    expect(await run.exit).toBe(code);
    expect(run.json()).toMatchObject({ ok: code === 0, exitCode: code, command: 'restore', rolledBack: false });
  });

  test('leaves the file with its proof beside the log, for its owner only, and names it', async () => {
    await using folder = await temporaryFolder();
    const { services } = restoring(folder.path);
    const run = startRun(['restore', 'latest', '-r', '/b', '--yes', '--json'], services, { workingDirectory: folder.path });
    expect(await run.exit).toBe(0);
    const path = String(run.json()['verification']);
    expect(path).toMatch(/\/logs\/restore_\d{8}_\d{6}_verification\.txt$/);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const text = await readFile(path, 'utf8');
    expect(text).toContain('Outcome             restored and proven');
    expect(text).toContain('database/db/mcads: 12 tables, 1234567 rows, equal');
    expect(text).toMatch(/disk +\S+ \S+ free of/);
  });

  test.each([
    ['engine-lost', true, 20, 'FAILED; everything was brought back'],
    ['proof-failed', true, 40, 'FAILED; everything was brought back'],
    ['engine-failed', false, 1, 'FAILED; NOT everything could be brought back'],
  ] as const)('%s, rolled back: %s', async (errorCode, rolledBack, code, outcome) => {
    await using folder = await temporaryFolder();
    const { services } = restoring(folder.path, {
      restore: async (_request, _setup, confirm) => {
        await confirm({ ...PLAN, directory: folder.path });
        throw new McadsError(errorCode, 'it broke', { hint: 'mend it', context: { rolledBack } });
      },
    });
    const run = startRun(['restore', 'latest', '-r', '/b', '--yes', '--json'], services, { workingDirectory: folder.path });
    expect(await run.exit).toBe(code);
    const json = run.json();
    expect(json).toMatchObject({ ok: false, rolledBack, error: { code: errorCode, message: 'it broke', hint: 'mend it' } });
    expect(await readFile(String(json['verification']), 'utf8')).toContain(outcome);
    const words = startRun(['restore', 'latest', '-r', '/b', '--yes', '--log-dir', join(folder.path, 'l')], services);
    expect(await words.exit).toBe(code);
    expect(words.stderr().includes('mcads is as it was before the restore.')).toBe(rolledBack);
    expect(words.stderr()).toMatch(/What failed, in full: .*_verification\.txt/);
  });

  test('a failure before anybody agreed leaves no file and says nothing of going back', async () => {
    await using folder = await temporaryFolder();
    const { services } = restoring(folder.path, {
      restore: async () => Promise.reject(new McadsError('damaged', 'a chunk is missing')),
    });
    const run = startRun(['restore', 'latest', '-r', '/b', '--yes', '--json'], services, { workingDirectory: folder.path });
    expect(await run.exit).toBe(30);
    expect(run.json()).not.toHaveProperty('rolledBack');
    expect(await readdir(folder.path)).toEqual([]);
  });
});
