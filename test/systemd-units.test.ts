import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parseCommandLine } from '../src/cli/program.ts';
import { GLOBAL_ROWS } from '../src/config/global-rows.ts';
import { commandWorks, runCommand } from './support/run-command.ts';
import { temporaryFolder } from './support/temporary-folder.ts';

const FOLDER = fileURLToPath(new URL('../compose/systemd', import.meta.url));
const UNITS = ['mcads-backup.service', 'mcads-backup.timer', 'mcads-drill.service', 'mcads-drill.timer'];
const SERVICES = UNITS.filter((name) => name.endsWith('.service'));
const canVerify = await commandWorks('systemd-analyze', ['--version']);

/** `Key=value` lines; of several with one key the last. */
async function settingsOf(name: string): Promise<Readonly<Record<string, string | undefined>>> {
  const lines = (await readFile(join(FOLDER, name), 'utf8')).split('\n').filter((line) => /^[A-Za-z]+=/.test(line));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

describe.each(SERVICES)('%s', (name) => {
  test('runs a command of this version, by absolute paths only', async () => {
    const { ExecStart: start = '', WorkingDirectory: directory = '' } = await settingsOf(name);
    const [program = '', ...argv] = start.split(' ');
    expect(program).toMatch(/^\/.*\/mcads-orchestrate$/);
    expect(directory).toMatch(/^\//);
    expect((await parseCommandLine(argv, '9.9.9')).kind).toBe('command');
  });

  test('has a folder for the pipes that the engine sees under the same path, and may write the project', async () => {
    const {
      RuntimeDirectory: runtime = '',
      Environment: environment,
      ReadWritePaths: writable,
      WorkingDirectory: directory,
    } = await settingsOf(name);
    expect(environment).toBe(`XDG_RUNTIME_DIR=/run/${runtime}`);
    expect(runtime).toBe(name.replace('.service', '')); // one of its own: systemd removes it when the unit ends
    expect(writable).toBe(directory);
  });

  test('names only variables that exist', async () => {
    const text = await readFile(join(FOLDER, name), 'utf8');
    const known = GLOBAL_ROWS.flatMap(({ variable }) => [variable, `${variable}_FILE`]);
    for (const [variable] of text.matchAll(/MCADS_[A-Z_]*[A-Z]/g)) expect(known).toContain(variable);
  });
});

test.each(UNITS.filter((name) => name.endsWith('.timer')))('%s is due at a time that systemd understands', async (name) => {
  const { OnCalendar: when = '' } = await settingsOf(name);
  expect(when).toMatch(/^(?:[A-Z][a-z]{2} )?\*-\*-\* \d\d:\d\d:00$/);
  if (canVerify) expect((await runCommand('systemd-analyze', ['calendar', when])).stdout).toContain('Next elapse');
});

test.runIf(canVerify)('systemd finds nothing wrong with any of them', async () => {
  await using folder = await temporaryFolder();
  for (const name of UNITS) {
    // The program need not be installed on this machine; everything else is verified as it is.
    const text = (await readFile(join(FOLDER, name), 'utf8')).replace('/usr/local/bin/mcads-orchestrate', '/bin/true');
    await writeFile(join(folder.path, name), text);
  }
  const { stdout, stderr } = await runCommand('systemd-analyze', ['verify', '--man=no', ...UNITS.map((name) => join(folder.path, name))]);
  expect((stdout + stderr).split('\n').filter((line) => line.includes('mcads-'))).toEqual([]);
});
