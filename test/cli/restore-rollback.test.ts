import { describe, expect, test } from 'vitest';
import type { Services } from '../../src/cli/services.ts';
import { McadsError } from '../../src/errors.ts';
import { KEPT, RESULT } from '../report/restore-fixtures.ts';
import { startRun } from './fake-io.ts';
import { terminal } from './restore-fixture.ts';

describe('rollback', () => {
  function goingBack() {
    const seen = { changed: false, project: '' };
    const services: Partial<Services> = {
      projectServices: async () => ({ kind: 'services', services: [] }),
      rollback: async ({ project }, _setup, confirm) => {
        seen.project = project;
        await confirm(KEPT);
        seen.changed = true;
        return { kept: KEPT, report: { undone: ['put back volume/media'], failed: [] }, services: RESULT.services, findings: [] };
      },
      openLog: async () => ({ path: '/l', write: () => {}, end: () => {}, [Symbol.asyncDispose]: async () => {} }),
    };
    return { seen, services };
  }

  test('wants the name typed, as a restore does', async () => {
    const { seen, services } = goingBack();
    const no = terminal('yes\r');
    expect(await startRun(['rollback', '-p', 'mcads'], services, no.io).exit).toBe(130);
    expect(seen.changed).toBe(false);
    const yes = terminal('mcads\r');
    expect(await startRun(['rollback', '-p', 'mcads'], services, yes.io).exit).toBe(0);
    expect(seen.changed).toBe(true);
    expect(yes.screen()).toContain('Back: mcads is what it was before');
  });

  test('without a terminal it takes --yes', async () => {
    const { seen, services } = goingBack();
    const refused = startRun(['rollback', '-p', 'mcads'], services);
    expect(await refused.exit).toBe(2);
    expect(refused.stderr()).toContain('mcads-orchestrate rollback -p mcads --yes');
    expect(seen.changed).toBe(false);
    const done = startRun(['rollback', '-p', 'mcads', '--yes', '--json'], services);
    expect(await done.exit).toBe(0);
    expect(done.json()).toMatchObject({ project: 'mcads', rolledBack: true, undone: ['put back volume/media'] });
  });

  test('a dry run shows what it goes back to and stops', async () => {
    const { seen, services } = goingBack();
    const run = startRun(['rollback', '-p', 'mcads', '--dry-run'], services);
    expect(await run.exit).toBe(0);
    expect(run.stdout()).toContain('Kept until');
    const json = startRun(['rollback', '-p', 'mcads', '--dry-run', '--json'], services);
    expect(await json.exit).toBe(0);
    expect(json.json()).toMatchObject({ plan: { snapshot: KEPT.journal.snapshot, keptUntil: KEPT.until, stops: ['mcads-web-1'] } });
    expect(seen.changed).toBe(false);
  });

  test('without Compose files it takes the project that was started here, and asks which otherwise', async () => {
    const { seen, services } = goingBack();
    const listProjects = async () => [
      { project: 'mcads', workingDirectory: '/srv/mcads', configFiles: [], containers: 1, running: 1 },
      { project: 'blog', workingDirectory: '/srv/blog', configFiles: [], containers: 1, running: 1 },
    ];
    const here = startRun(['rollback', '--yes', '--json'], { ...services, listProjects }, { workingDirectory: '/srv/mcads' });
    expect(await here.exit).toBe(0);
    expect(seen.project).toBe('mcads');
    const nowhere = startRun(['rollback', '--yes'], { ...services, listProjects }, { workingDirectory: '/nowhere' });
    expect(await nowhere.exit).toBe(2);
    expect(nowhere.stderr()).toContain('choose one with -p: mcads, blog');
  });

  test('without an engine and without Compose files there is nothing to go back to; with Compose files nobody knows', async () => {
    const nowhere = startRun(['rollback', '--yes'], {}, { workingDirectory: '/srv/plain' });
    expect(await nowhere.exit).toBe(2);
    expect(nowhere.stderr()).toContain('there is nothing to go back to: no restore is kept in /srv/plain');
    const unreachable = async () => Promise.reject(new McadsError('engine-unreachable', 'no answer'));
    const silent = { projectServices: async () => ({ kind: 'silent', reason: 'no answer' }) as const, rollback: unreachable };
    expect(await startRun(['rollback', '-p', 'mcads', '--yes'], silent).exit).toBe(20);
  });

  test('nothing kept is exit 2, an unfinished rollback says so', async () => {
    const { services } = goingBack();
    const nothing = {
      ...services,
      rollback: async () => Promise.reject(new McadsError('nothing-found', 'there is nothing to go back to')),
    };
    expect(await startRun(['rollback', '-p', 'mcads', '--yes'], nothing).exit).toBe(2);
    const half = new McadsError('engine-failed', 'not everything', { context: { rolledBack: false } });
    const run = startRun(['rollback', '-p', 'mcads', '--yes', '--json'], { ...services, rollback: async () => Promise.reject(half) });
    expect(await run.exit).toBe(1);
    expect(run.json()).toMatchObject({ rolledBack: false });
  });
});
