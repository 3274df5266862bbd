import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runCli, runJson } from '../support/run-cli.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const COMPOSE = 'name: shop\nservices:\n  db:\n    image: postgres:15\n';

interface Case {
  readonly args: readonly string[];
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly code: number;
  readonly says: readonly (string | RegExp)[];
}

const NO_ENGINE = { DOCKER_HOST: 'unix:///nonexistent/docker.sock' };

const CASES: Readonly<Record<string, Case>> = {
  'no command': { args: [], code: 2, says: ['no command given', '--help'] },
  'unknown command': { args: ['bakcup'], code: 2, says: ["unknown command 'bakcup'", 'did you mean backup?'] },
  'unknown option': { args: ['backup', '--keep-lst', '3'], code: 2, says: ["unknown option '--keep-lst'", 'did you mean --keep-last?'] },
  'unknown subcommand': { args: ['config', 'shwo'], code: 2, says: ['did you mean show?'] },
  'value missing': { args: ['backup', '--repository'], code: 2, says: ['argument missing'] },
  'value not allowed': { args: ['plan', '--strategy', 'magic'], code: 2, says: ['magic', 'docker'] },
  'argument missing': { args: ['show'], code: 2, says: ["missing required argument 'snapshot'"] },
  'too many arguments': { args: ['list', 'x'], code: 2, says: ['too many arguments'] },
  'wrong number': { args: ['config', 'show', '--keep-last', 'many'], code: 2, says: ['--keep-last must be a whole number'] },
  'wrong duration': {
    args: ['config', 'show', '--lock-timeout', 'soon'],
    code: 2,
    says: ['--lock-timeout must be a duration such as 30s or 5m'],
  },
  'no target': { args: ['extract', 'latest'], code: 2, says: ['extract needs --target DIR'] },
  'wrong share': { args: ['verify', '--sample', '200%'], code: 2, says: ['--sample 200% is no share'] },
  'wrong component': { args: ['files', 'latest', 'nonsense'], code: 2, says: ['nonsense is no component'] },
  'wrong variable': {
    args: ['config', 'validate'],
    files: { 'compose.yaml': COMPOSE },
    env: { MCADS_JOBS: 'many' },
    code: 2,
    says: ['MCADS_JOBS must be a whole number'],
  },
  'settings file missing': {
    args: ['config', 'show', '--config', 'missing.yaml'],
    code: 2,
    says: ['there is no settings file', 'missing.yaml'],
  },
  'unknown setting': {
    args: ['backup'],
    files: { 'compose.yaml': COMPOSE, 'mcads.yaml': 'repositry: ./b\n' },
    code: 2,
    says: [/mcads\.yaml:1:1: unknown setting repositry/, 'did you mean repository?'],
  },
  'unknown setting in x-mcads': {
    args: ['backup'],
    files: { 'compose.yaml': `${COMPOSE}x-mcads:\n  kep: {}\n` },
    code: 2,
    says: [/compose\.yaml:6:3: unknown setting kep/],
  },
  'unknown label': {
    args: ['config', 'validate'],
    files: { 'compose.yaml': `${COMPOSE}    labels:\n      mcads.enabel: "true"\n` },
    code: 2,
    says: [/compose\.yaml:6:7: unknown label mcads\.enabel/, 'did you mean mcads.enable?'],
  },
  'broken YAML': {
    args: ['config', 'validate'],
    files: { 'compose.yaml': 'services:\n  db: [\n' },
    code: 2,
    says: [/compose\.yaml:\d+:\d+/],
  },
  'required variable missing': {
    args: ['config', 'validate'],
    files: { 'compose.yaml': 'services:\n  db:\n    image: ${IMAGE:?set it}\n' },
    code: 2,
    says: [/compose\.yaml:3:\d+/, 'set it'],
  },
  'recovery without recovering': { args: ['recover', '--dry-run'], code: 2, says: ['recover has no --dry-run'] },
  'extraction without extracting': {
    args: ['extract', 'latest', '--target', 'out', '-n'],
    code: 2,
    says: ['extract has no --dry-run', '`files` lists'],
  },
  'all projects in one backup': {
    args: ['backup', '--all-projects'],
    files: { 'compose.yaml': COMPOSE },
    code: 2,
    says: ['backup takes one project at a time', '-p NAME'],
  },
  'all projects in one plan': {
    args: ['plan', '--all-projects'],
    files: { 'compose.yaml': COMPOSE },
    code: 2,
    says: ['plan takes one project at a time'],
  },
  'no Compose file': { args: ['config', 'validate'], code: 2, says: ['no Compose file in'] },
  'named Compose file missing': { args: ['config', 'validate', '-f', 'nope.yaml'], code: 2, says: ['nope.yaml'] },
  'no repository': { args: ['list'], files: { 'compose.yaml': COMPOSE }, code: 10, says: ['there is no repository in', 'backups'] },
  'a folder that is no repository': {
    args: ['list', '-r', '.'],
    files: { 'other.txt': 'x' },
    code: 10,
    says: ['there is no repository in'],
  },
  'newer repository': {
    args: ['list', '-r', '.'],
    files: { 'repository.json': '{"format":99,"features":{"read":[],"write":[]},"id":"x"}' },
    code: 13,
    says: [/newer|format/],
  },
  'engine silent': { args: ['plan'], files: { 'compose.yaml': COMPOSE }, env: NO_ENGINE, code: 20, says: ['/nonexistent/docker.sock'] },
};

describe('each bad input has its message and exit code, and writes nothing', () => {
  test.concurrent.each(Object.entries(CASES))('%s', async (_name, { args, files, env, code, says }) => {
    await using folder = await temporaryFolder();
    for (const [name, text] of Object.entries(files ?? {})) await writeFile(join(folder.path, name), text);
    const before = (await readdir(folder.path)).toSorted();
    const options = { cwd: folder.path, env: { ...NO_ENGINE, ...env } };
    const result = await runCli(args, options);
    expect(result.stdout).toBe('');
    for (const text of says) expect(result.stderr).toMatch(text);
    expect(result.stderr).not.toContain('This is a defect');
    expect(result.code).toBe(code);
    expect((await readdir(folder.path)).toSorted()).toEqual(before);
  });
});

test('with --json a bad input is one object', async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, 'mcads.yaml'), 'keep: {dayly: 1}\n');
  const result = await runJson(['plan'], { cwd: folder.path, env: NO_ENGINE });
  expect(result.code).toBe(2);
  expect(result.json).toMatchObject({
    schema: 1,
    ok: false,
    exitCode: 2,
    command: 'plan',
    error: { code: 'config', where: join(folder.path, 'mcads.yaml:1:8'), hint: 'did you mean keep.daily?' },
  });
  expect(result.stderr).toBe('');
});

test('an unknown variable is a warning, not an error', async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, 'compose.yaml'), COMPOSE);
  const result = await runCli(['config', 'validate'], { cwd: folder.path, env: { MCADS_REPOSITROY: '/x' } });
  expect(result.code).toBe(0);
  expect(result.stderr).toContain('did you mean MCADS_REPOSITORY?');
  expect(result.stdout).toContain('Settings and labels are valid.');
});

test('config init never overwrites a file without --yes, and works without an engine', async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, 'compose.yaml'), COMPOSE);
  const options = { cwd: folder.path, env: NO_ENGINE };
  const shown = await runCli(['config', 'init', '--dry-run'], options);
  expect(shown.code).toBe(0);
  expect(shown.stdout).toContain('#   db:');
  expect(await readdir(folder.path)).toEqual(['compose.yaml']);
  expect((await runCli(['config', 'init'], options)).code).toBe(0);
  const again = await runCli(['config', 'init'], options);
  expect(again.code).toBe(2);
  expect(again.stderr).toContain('exists already');
  expect((await runCli(['config', 'init', '--yes'], options)).code).toBe(0);
  expect((await readdir(folder.path)).toSorted()).toEqual(['compose.yaml', 'mcads.yaml']);
  expect((await runCli(['config', 'validate'], options)).code).toBe(0);
});

test('config show tells the origin of every value', async () => {
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, 'sub'));
  await writeFile(join(folder.path, 'compose.yaml'), `${COMPOSE}x-mcads: {quiesce: pause}\n`);
  await writeFile(join(folder.path, 'mcads.yaml'), 'images: local\n');
  const result = await runJson(['config', 'show', '--keep-daily', '7'], {
    cwd: join(folder.path, 'sub'),
    env: { ...NO_ENGINE, MCADS_STRICT: 'true' },
  });
  expect(result.json).toMatchObject({
    ok: true,
    settings: {
      'keep.daily': { value: 7, origin: '--keep-daily' },
      strict: { value: true, origin: 'MCADS_STRICT' },
      quiesce: { value: 'pause', origin: join(folder.path, 'compose.yaml:5:11') },
      images: { value: 'local', origin: join(folder.path, 'mcads.yaml:1:1') },
      repository: { value: join(folder.path, 'backups'), origin: 'default' },
    },
  });
});
