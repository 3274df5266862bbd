import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { snapshotName } from '../../src/domain/snapshot-name.ts';
import { openRepository } from '../../src/repository/open-repository.ts';
import { backUp, noise } from '../support/repository-fixture.ts';
import { runCommand } from '../support/run-command.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { KEYS, startInTerminal } from '../support/terminal.ts';
import { startRun } from './fake-io.ts';

const HOUR = 3_600_000;
const MENU = /What shall be done\?[\s\S]*Esc to leave/;

/** A project folder whose repository holds a snapshot for each of these ages in hours. No engine answers. */
async function shop(ages: readonly number[]) {
  const folder = await temporaryFolder();
  const names: string[] = [];
  if (ages.length > 0) {
    await mkdir(join(folder.path, 'backups'));
    await using repository = await openRepository({ path: join(folder.path, 'backups'), mode: 'write', create: true, lockTimeoutMs: 1000 });
    for (const hours of ages) {
      const name = snapshotName('shop', 'docker', new Date(Date.now() - hours * HOUR)).full;
      names.push(name);
      await backUp(repository, name, { 'volume/media': noise(hours, 100_000), config: noise(1, 1000) });
    }
  }
  return {
    names,
    path: folder.path,
    run: (args: readonly string[] = [], env: Readonly<Record<string, string>> = {}, columns = 80, rows = 24) =>
      startInTerminal(['manager', '-p', 'shop', '--project-directory', folder.path, ...args], {
        cwd: folder.path,
        env: { DOCKER_HOST: 'unix:///nonexistent/engine.sock', ...env },
        columns,
        rows,
      }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** Twelve snapshots, the newest three hours old, that no test changes. */
let project: Awaited<ReturnType<typeof shop>>;

beforeAll(async () => {
  project = await shop([400, 350, 300, 250, 200, 175, 150, 125, 100, 75, 50, 3]);
}, 120_000);

afterAll(async () => project[Symbol.asyncDispose]());

describe('the menu in a real terminal', () => {
  test('shows the documented entries, and Esc leaves with exit 0', async () => {
    await using menu = project.run();
    await menu.shows(MENU);
    expect(menu.text()).toMatch(
      / 1 {2}Create a backup\n[\s\S]* 2 {2}List[\s\S]* 3 {2}Restore[\s\S]* 4 {2}Show the details[\s\S]* 5 {2}Clean up[\s\S]* 6 {2}Show the status\n[\s\S]* 7 {2}Exit/,
    );
    menu.type(KEYS.escape);
    expect(await menu.end).toBe(0);
  });

  test('does not offer a drill where there is nothing to drill: without Docker', async () => {
    await using menu = project.run(['--strategy', 'host']);
    await menu.shows(MENU);
    expect(menu.text()).toContain('7  Exit');
    expect(menu.text()).not.toContain('Drill');
    menu.type(KEYS.escape);
    expect(await menu.end).toBe(0);
  });

  test('a number runs its entry at once, and the menu comes back', async () => {
    await using menu = project.run();
    await menu.shows(MENU);
    menu.type('2');
    await menu.shows(/Done\.[\s\S]*Esc to leave/);
    expect(menu.text()).toMatch(/What shall be done\? List the backups\n/);
    expect(menu.text()).toMatch(new RegExp(`${project.names.at(-1)} +3 hours ago +98\\.6 KiB +complete`));
    menu.type('7');
    expect(await menu.end).toBe(0);
    expect(menu.screen.wrapped).toBe(0);
  });

  test('arrow keys move over the ends, Enter takes what the cursor is at', async () => {
    await using menu = project.run();
    await menu.shows(MENU);
    expect(menu.text()).toContain('> 1  Create');
    menu.type(KEYS.up);
    await menu.shows(/> [78] {2}/);
    menu.type(KEYS.down);
    await menu.shows(/> 1 {2}Create/);
    menu.type(KEYS.down.repeat(5));
    await menu.shows(/> 6 {2}Show the status/);
    menu.type(KEYS.enter);
    await menu.shows(/SNAPSHOT[\s\S]*Done\.[\s\S]*Esc to leave/);
    expect(menu.text()).toContain('shop: protected, 12 snapshots, last drill: never');
    expect(menu.text()).toContain('> 6  Show the status');
    menu.type(KEYS.escape);
    expect(await menu.end).toBe(0);
  });

  test('details: the snapshot is chosen from a list, newest first; Esc goes back to the menu', async () => {
    await using menu = project.run();
    await menu.shows(MENU);
    menu.type('4');
    await menu.shows(/Show which one\?[\s\S]*Esc to go back/);
    const listed = [...menu.text().matchAll(/(shop_backup_\S+)/g)].map(([, name]) => name);
    expect(listed).toEqual(project.names.toReversed());
    menu.type(KEYS.escape);
    await menu.shows(MENU);
    menu.type('4');
    await menu.shows(/Esc to go back/);
    menu.type('2');
    await menu.shows(/> {2}2 {2}/);
    menu.type(KEYS.enter);
    await menu.shows(/Done\.[\s\S]*Esc to leave/);
    expect(menu.text()).toMatch(new RegExp(`${project.names.at(-2)} {2}complete, docker\\nstarted .*2 days ago`));
    expect(menu.text()).toContain('volume/media');
    menu.type(KEYS.escape);
    expect(await menu.end).toBe(0);
  });

  test('clean up asks first: no leaves everything, yes removes it', async () => {
    await using project = await shop([100, 50, 3]);
    await using menu = project.run([], { MCADS_KEEP_LAST: '1' });
    await menu.shows(MENU);
    menu.type('5');
    await menu.shows(/Remove 2 snapshots\?/);
    menu.type('n');
    await menu.shows(/cancelled by answer[\s\S]*Ended with exit code 130\.[\s\S]*Esc to leave/);
    menu.type('5');
    await menu.shows(/Remove 2 snapshots\?/);
    menu.type('y');
    await menu.shows(/Removed 2 snapshots[\s\S]*Done\.[\s\S]*Esc to leave/);
    menu.type(KEYS.escape);
    expect(await menu.end).toBe(0);
    await using left = await openRepository({ path: join(project.path, 'backups'), mode: 'read', create: false, lockTimeoutMs: 1000 });
    expect((await left.snapshots()).map(({ name }) => name)).toEqual(project.names.slice(2));
  });

  test('what fails says so, and the menu stays: no engine, no repository', async () => {
    await using project = await shop([]);
    await using menu = project.run();
    await menu.shows(MENU);
    menu.type('1');
    await menu.shows(/error[\s\S]*Ended with exit code 20\.[\s\S]*Esc to leave/);
    menu.type('3');
    await menu.shows(/no repository[\s\S]*Esc to leave/);
    menu.type('6');
    await menu.shows(/Ended with exit code 4\.[\s\S]*Esc to leave/);
    menu.type('q');
    expect(await menu.end).toBe(0);
  });

  test('archives of the old scripts are listed and can be chosen where there is no repository yet', async () => {
    await using project = await shop([]);
    const name = 'shop_system_backup_20250801_142905';
    const script = `mkdir -p ${name} media && echo x > media/x && tar czf ${name}/media.tar.gz media && rm -r media && tar czf ${name}.tar.gz ${name} && rm -r ${name}`;
    await mkdir(join(project.path, 'backups'));
    await runCommand('bash', ['-c', script], { cwd: join(project.path, 'backups') });
    await using menu = project.run([], { MCADS_STRATEGY: 'host' });
    await menu.shows(MENU);
    menu.type('2');
    await menu.shows(/20250801_142905\.tar\.gz[\s\S]*classic[\s\S]*Done\.[\s\S]*Esc to leave/);
    menu.type('3');
    await menu.shows(/Restore which one\?[\s\S]*> 1 +\S+ +\d+ years? ago[\s\S]*classic[\s\S]*Esc/);
    menu.type(KEYS.enter);
    await menu.shows(/files\/media +create[\s\S]*shop/);
    menu.type('shop\r');
    await menu.shows(/Done\.[\s\S]*Esc to leave/);
    expect(await readFile(join(project.path, 'media/x'), 'utf8')).toBe('x\n');
    menu.type(KEYS.escape);
    expect(await menu.end).toBe(0);
  });

  test('many commands in a row leave no warning of Node behind', async () => {
    await using menu = project.run();
    await menu.shows(MENU);
    for (let round = 0; round < 12; round += 1) {
      menu.type('2');
      await menu.shows(/Done\.[\s\S]*Esc to leave/);
    }
    menu.type(KEYS.escape);
    expect(await menu.end).toBe(0);
    expect(menu.text()).not.toMatch(/warning/i);
  });

  test('Ctrl-C in the menu ends it with 130', async () => {
    await using menu = project.run();
    await menu.shows(MENU);
    menu.type(KEYS.interrupt);
    expect(await menu.end).toBe(130);
  });

  test.each([40, 80])('nothing is wider than %i columns, and the list scrolls with the cursor', async (columns) => {
    await using menu = project.run([], {}, columns, 9);
    await menu.shows(/What shall be done\?[\s\S]*arrow keys.*\n/);
    menu.type(KEYS.down.repeat(3) + KEYS.enter);
    await menu.shows(/Show which one[\s\S]*arrow keys.*\n/);
    menu.type('12');
    await menu.shows(/> 12 {2}/);
    expect(menu.text()).not.toContain('   1  ');
    menu.type(KEYS.escape);
    await menu.shows(/What shall be done\?[\s\S]*arrow keys.*\n/);
    menu.type(KEYS.escape);
    expect(await menu.end).toBe(0);
    expect(menu.screen.wrapped).toBe(0);
  });

  test('colours only where they are wanted', async () => {
    for (const [env, args, colored] of [
      [{}, [], true],
      [{ NO_COLOR: '1' }, [], false],
      [{}, ['--no-color'], false],
    ] as const) {
      await using menu = project.run(args, env);
      await menu.shows(MENU);
      menu.type('2');
      await menu.shows(/Done\.[\s\S]*Esc to leave/);
      menu.type(KEYS.escape);
      expect(await menu.end).toBe(0);
      expect(menu.screen.colored).toBe(colored);
    }
  });
});

describe('where there is no menu', () => {
  test('without a terminal it says which commands there are, exit 2', async () => {
    const run = startRun(['manager'], {}, { workingDirectory: '/' });
    expect(await run.exit).toBe(2);
    expect(run.stderr()).toContain('there is no terminal to ask on');
    expect(run.stderr()).toContain('backup, list, restore, show, prune, status, drill');
  });

  test.each(['--json', '--quiet', '--dry-run', '--yes', '--all-projects'])('%s belongs to the commands', async (flag) => {
    const run = startRun(['manager', flag]);
    expect(await run.exit).toBe(2);
    expect(run.stdout() + run.stderr()).toContain(`takes no ${flag}`);
  });
});

describe('restore without a snapshot', () => {
  test('without a terminal it says what to give, exit 2', async () => {
    const run = startRun(['restore'], {}, { workingDirectory: '/' });
    expect(await run.exit).toBe(2);
    expect(run.stderr()).toMatch(
      /restore without a snapshot needs an answer[\s\S]*latest, a time such as 20250801_142905, or a name; `list` shows them/,
    );
  });

  test('on a terminal it is chosen from a list; Esc is a no', async () => {
    await using run = startInTerminal(['restore', '-p', 'shop', '--project-directory', project.path], {
      cwd: project.path,
      env: { DOCKER_HOST: 'unix:///nonexistent/engine.sock' },
    });
    await run.shows(/Restore which snapshot\?[\s\S]*> {2}1 {2}shop_backup[\s\S]*Esc to go back/);
    run.type(KEYS.escape);
    expect(await run.end).toBe(130);
    expect(run.text()).toContain('nothing was changed');
  });
});
