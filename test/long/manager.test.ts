import { expect, test } from 'vitest';
import { createProject, engineEnv, testEngine } from '../support/engine.ts';
import { KEYS, startInTerminal } from '../support/terminal.ts';
import { snapshotsOf, stateOf } from '../engine/e2e-support.ts';

const MENU = /What shall be done\?[\s\S]*Esc to leave/;
const PAYLOAD = 'head -c 200000000 /dev/urandom > /media/big';

/** A project whose service is stopped while its volume is read. */
async function started() {
  const project = await createProject({
    'compose.yaml': JSON.stringify({
      services: {
        web: {
          image: testEngine().images.debian,
          init: true,
          command: ['sleep', 'infinity'],
          volumes: ['media:/media'],
          labels: { 'mcads.quiesce': 'stop' },
        },
      },
      volumes: { media: {} },
    }),
  });
  await project.compose(['up', '-d']);
  await project.compose(['exec', '-T', 'web', 'sh', '-c', PAYLOAD]);
  return project;
}

test('Ctrl-C in a backup from the menu brings the service back, and the menu goes on: backup, list, restore with a wrong answer, drill, exit', async () => {
  await using project = await started();
  await using menu = startInTerminal(['manager', '--progress', 'plain'], {
    cwd: project.directory,
    env: { ...engineEnv(), NO_COLOR: '1' },
  });
  await menu.shows(MENU);

  menu.type('1');
  await menu.shows(/service .*web.* stopped/);
  expect(await stateOf(project, 'web')).toBe('exited');
  menu.type(KEYS.interrupt);
  await menu.shows(/Cancelling[\s\S]*Ended with exit code 130\.[\s\S]*Esc to leave/);
  expect(await stateOf(project, 'web')).toBe('running');
  expect(await snapshotsOf(project.directory).catch(() => [])).toEqual([]);

  menu.type('1');
  await menu.shows(/Complete: [\s\S]*Done\.[\s\S]*Esc to leave/);
  expect(await stateOf(project, 'web')).toBe('running');
  const [name = ''] = await snapshotsOf(project.directory);

  menu.type('3');
  await menu.shows(new RegExp(`Restore which one\\?[\\s\\S]*${name}[\\s\\S]*Esc to go back`));
  menu.type('1');
  await menu.shows(/Type \S+ to go ahead/);
  menu.type('something else\r');
  await menu.shows(/nothing was changed[\s\S]*Ended with exit code 130\.[\s\S]*Esc to leave/);
  expect(await stateOf(project, 'web')).toBe('running');

  menu.type('8');
  await menu.shows(new RegExp(`Drill which one\\?[\\s\\S]*${name}[\\s\\S]*Esc to go back`));
  menu.type('1');
  await menu.shows(/Done\.[\s\S]*Esc to leave/);

  menu.type('6');
  await menu.shows(/protected, 1 snapshot, last drill: level \d[\s\S]*Done\.[\s\S]*Esc to leave/);
  menu.type('7');
  expect(await menu.end).toBe(0);
});
