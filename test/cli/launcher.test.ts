import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MAIN, runCli } from '../support/run-cli.ts';
import { runCommand } from '../support/run-command.ts';

/** Lets the launcher believe that it runs under another Node. */
function pretending(version: string): readonly string[] {
  const source = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`;
  return ['--import', `data:text/javascript,${encodeURIComponent(source)}`];
}

describe('under an older Node', () => {
  test.each(['18.20.4', '20.11.1', '23.9.0'])('%s: one clear sentence, exit 2', async (version) => {
    const result = await runCommand(process.execPath, [...pretending(version), MAIN, 'backup', '--json'], { accept: 'any' });
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toBe(`mcads-orchestrate needs Node.js 24 or newer; this is ${version} (${process.execPath}).\n`);
  });
});

test('--version prints the version and loads nothing else', async () => {
  const trace = `import module from 'node:module'; module.registerHooks({ load(url, context, next) { if (url.startsWith('file:')) process.stderr.write(url + '\\n'); return next(url, context); } })`;
  const result = await runCommand(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(trace)}`, MAIN, '--version'],
    {},
  );
  expect(result.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(result.stderr.trim().split('\n')).toEqual([expect.stringMatching(/\/main\.ts$/)]);
});

test('--help goes to stdout with exit 0', async () => {
  const result = await runCli(['--help']);
  expect(result).toMatchObject({ code: 0, stderr: '' });
  expect(result.stdout).toContain('Usage: mcads-orchestrate');
});

test('a command that waits for what never comes does not end as if all had been well', async () => {
  const stalled = `import fs from 'node:fs/promises'; import { syncBuiltinESMExports } from 'node:module'; fs.stat = fs.readFile = fs.realpath = () => new Promise(() => {}); syncBuiltinESMExports();`;
  const result = await runCommand(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(stalled)}`, MAIN, 'config', 'show'],
    { accept: 'any' },
  );
  expect(result.stderr).toContain('came to a standstill');
  expect(result).toMatchObject({ code: 1, stdout: '' });
});

test('compiled code is cached below the own home folder only', async () => {
  const home = await mkdtemp(join(tmpdir(), 'mcads-home-'));
  try {
    await runCli(['--help'], { env: { HOME: home, XDG_CACHE_HOME: undefined, NODE_COMPILE_CACHE: undefined } });
    expect(await readdir(join(home, '.cache'))).toEqual(['mcads-orchestrate']);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});
