import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { composeCli } from '../support/compose-cli.ts';
import { createProject, engineEnv, type TestProjectFolder } from '../support/engine.ts';
import { MAIN } from '../support/run-cli.ts';
import { type CommandResult, runCommand } from '../support/run-command.ts';

const ROOT = join(import.meta.dirname, '../..');
const README = await readFile(join(ROOT, 'README.md'), 'utf8');

let project: TestProjectFolder;
let env: Readonly<Record<string, string | undefined>>;
/** `YYYYMMDD_HHMMSS` of the snapshot from before the trouble. */
let good = '';

/** The example project, backed up once, and a shell in which the README's words mean the tool and the engine of these tests. */
beforeAll(async () => {
  project = await createProject();
  await cp(join(ROOT, 'compose/examples/mcads'), project.directory, { recursive: true });
  const bin = join(project.directory, '..', `${project.name}-bin`);
  await mkdir(bin);
  await writeFile(join(bin, 'mcads-orchestrate'), `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
  await chmod(join(bin, 'mcads-orchestrate'), 0o755);
  env = {
    ...(await composeCli()).env,
    ...engineEnv(),
    COMPOSE_PROJECT_NAME: project.name,
    HTTP_PORT: '0',
    HOME: project.directory,
    PATH: [bin, process.env['PATH']].join(delimiter),
    NO_COLOR: '1',
    MCADS_REPOSITORY: undefined,
  };
  await project.compose(['up', '-d', '--wait'], { env });
  await sh('mcads-orchestrate backup');
  good = /_backup_(\d{8}_\d{6})/.exec((await sh('mcads-orchestrate list')).stdout)?.[1] ?? '';
}, 900_000);
afterAll(async () => project[Symbol.asyncDispose]());

function sh(line: string): Promise<CommandResult> {
  return runCommand('bash', ['-euo', 'pipefail', '-c', line], { cwd: project.directory, env, accept: 'any' });
}

async function done(line: string): Promise<CommandResult> {
  const result = await sh(line);
  expect(result.code, `${line}\n${result.stdout}\n${result.stderr}`).toBe(0);
  return result;
}

/** The command lines of a chapter, without their explanations. */
function linesOf(title: string): readonly string[] {
  const [, text = ''] = README.split(`# ${title}\n`);
  const chapter = text.split(/^##+ /m)[0] ?? '';
  const lines = [...chapter.matchAll(/```sh\n([^`]*)```/g)].flatMap(([, block = '']) => block.split('\n'));
  return lines.map((line) => line.replace(/\s+#\s.*$/, '').trim()).filter((line) => line !== '');
}

/** As it stands, but for the time of a snapshot that exists, and the answer to a question. */
async function runLine(line: string): Promise<CommandResult> {
  const asks = /^mcads-orchestrate (?:restore|rollback)/.test(line) && !line.includes('--dry-run');
  const result = await sh(`${line.replaceAll('20250801_142905', good)}${asks ? ' --yes' : ''}`);
  expect(result.code, `${line}\n${result.stdout}\n${result.stderr}`).toBe(0);
  return result;
}

async function predictions(): Promise<string> {
  return (await done("docker compose exec -T db psql -U mcads -At -d mcads -c 'SELECT count(*) FROM prediction'")).stdout.trim();
}

test('the steps for an emergency bring the data of before back, and every service', { timeout: 900_000 }, async () => {
  expect(await predictions()).toBe('10000');
  await done("docker compose exec -T db psql -U mcads -d mcads -c 'TRUNCATE prediction CASCADE'");
  await done('docker compose exec -T web rm -rf /srv/media/uploads');
  const lines = linesOf('In an emergency');
  expect(lines).toHaveLength(7);
  const said = new Map<string, string>();
  for (const line of lines) said.set(line.split(' ').slice(0, 2).join(' '), (await runLine(line)).stdout);
  expect(await predictions()).toBe('10000');
  expect(said.get('mcads-orchestrate status')).toMatch(/: protected, 2 snapshots/);
  expect(said.get('mcads-orchestrate status')).toMatch(/web +healthy\n/);
  // the report that is sent to whoever helps
  expect(JSON.parse(await readFile(join(project.directory, 'report.json'), 'utf8'))).toMatchObject({ command: 'show', ok: true });
});

test('the steps for one database restore it, take that back, and read the dump', async () => {
  await done("docker compose exec -T db psql -U mcads -d mcads -c 'DELETE FROM prediction WHERE image_id % 2 = 0'");
  const damaged = await predictions();
  expect(damaged).not.toBe('10000');
  const [restore = '', rollback = '', byHand = '', ...more] = linesOf('One database');
  expect(more).toEqual([]);
  await runLine(restore);
  expect(await predictions()).toBe('10000');
  await runLine(rollback);
  expect(await predictions()).toBe(damaged);
  expect((await runLine(byHand)).stdout).toContain('TABLE DATA public prediction');
  await runLine(restore);
});

test.each(linesOf('When something is wrong'))('%s', async (line) => {
  const { stdout, stderr } = await runLine(line);
  expect(stdout + stderr).not.toBe('');
});
