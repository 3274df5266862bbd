import { chmod, chown, mkdir, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asUser } from '../support/as-user.ts';
import { createProject, docker, engineEnv, type TestProjectFolder, testEngine, uniqueName } from '../support/engine.ts';
import { MAIN } from '../support/run-cli.ts';
import { type CommandResult, runCommand } from '../support/run-command.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts';
import { engineProxy, type EngineProxy, report } from './e2e-support.ts';

const isRoot = process.getuid?.() === 0;
const USER = 65_533;
const DOCKER_GROUP = 64_242;

const COMPOSE = (): string => `
services:
  web:
    image: ${testEngine().images.debian}
    command: [sleep, infinity]
    init: true
    env_file: [web.env]
    volumes: [media:/media, ./data:/data]
volumes: { media: }
`;

let project: TestProjectFolder;

beforeAll(async () => {
  project = await createProject({ 'compose.yaml': COMPOSE(), 'web.env': 'KEY=kept\n' });
  await mkdir(join(project.directory, 'data'));
  await project.write('data/only-root', 'for root alone\n', 0o600);
  await chmod(join(project.directory, 'data'), 0o700);
  await chmod(dirname(project.directory), 0o755);
  await chmod(project.directory, 0o755);
  await project.compose(['up', '-d']);
  await project.compose(['exec', '-T', 'web', 'sh', '-c', 'echo picture > /media/picture.png; chmod 600 /media/picture.png']);
});
afterAll(async () => {
  await project[Symbol.asyncDispose]();
});

interface Answer {
  readonly code: number;
  readonly json: Readonly<Record<string, unknown>>;
  readonly stderr: string;
}

function toAnswer({ code, stdout, stderr }: CommandResult): Answer {
  const json = JSON.parse(stdout) as Answer['json']; // the contract says one object
  expect(json).toMatchObject({ ok: code === 0, exitCode: code });
  expect(stderr).not.toContain('This is a defect');
  return { code, json, stderr };
}

/** Everything comes out of the repository again. Resolves with the contents of all files. */
async function expectExtracts(repository: string): Promise<readonly string[]> {
  await using folder = await temporaryFolder();
  const out = join(folder.path, 'out');
  const run = await report(['extract', 'latest', '-p', project.name, '-r', repository, '--target', out], { cwd: folder.path });
  expect(run.code, run.stdout).toBe(0);
  const files = (await readdir(out, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const contents = await Promise.all(files.map((entry) => readFile(join(entry.parentPath, entry.name), 'utf8')));
  expect(contents).toContain('for root alone\n');
  expect(contents).toContain('picture\n');
  return contents;
}

describe.runIf(isRoot)('a member of the group docker who is not root (needs root, to become one)', () => {
  let proxy: EngineProxy;
  let home: TemporaryFolder;

  beforeAll(async () => {
    proxy = await engineProxy({ uid: 0, gid: DOCKER_GROUP, mode: 0o660 });
    home = await temporaryFolder();
    await chown(home.path, USER, USER);
  });
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await home[Symbol.asyncDispose]();
  });

  async function asMember(args: readonly string[]): Promise<Answer> {
    const member = ['--reuid', String(USER), '--regid', String(USER), '--groups', String(DOCKER_GROUP)];
    const env = {
      ...engineEnv(),
      ...proxy.env,
      HOME: home.path,
      TMPDIR: home.path,
      XDG_RUNTIME_DIR: undefined,
      MCADS_REPOSITORY: undefined,
    };
    const options = { cwd: project.directory, env, accept: 'any' as const };
    const [program, ...words] = asUser(member, [process.execPath, MAIN, ...args, '--json']);
    return toAnswer(await runCommand(program, words, options));
  }

  test('is given a ready --repository where the project folder cannot be written', async () => {
    const before = await readdir(project.directory);
    const run = await asMember(['backup']);
    expect(run.code, run.stderr).toBe(13);
    expect(run.json['error']).toMatchObject({
      code: 'forbidden',
      hint: expect.stringContaining(`--repository ~/backups/${project.name}`) as unknown,
    });
    expect(await readdir(project.directory)).toEqual(before);
  });

  test('backs up into a folder of their own, files that only root may read included', async () => {
    await chmod(join(project.directory, 'web.env'), 0o600);
    const repository = join(home.path, 'backups');
    const run = await asMember(['backup', '--repository', repository]);
    await chmod(join(project.directory, 'web.env'), 0o644);
    expect(run.code, JSON.stringify(run.json)).toBe(0);
    expect(run.json['components']).toContainEqual(expect.objectContaining({ id: 'bind/web/data', outcome: 'captured' }));
    expect(await expectExtracts(repository)).toContain('KEY=kept\n');
  });

  test('a repository that belongs to root: use sudo', async () => {
    await using folder = await temporaryFolder();
    await chmod(folder.path, 0o755);
    const repository = join(folder.path, 'backups');
    const made = await report(['backup', '-r', repository], { cwd: project.directory });
    expect(made.code, made.stderr).toBe(0);
    const run = await asMember(['backup', '--repository', repository]);
    expect(run.code, run.stderr).toBe(13);
    expect(run.json['error']).toMatchObject({ code: 'forbidden', hint: expect.stringMatching(/sudo/) as unknown });
  });
});

describe('inside a container without the Compose files', () => {
  async function inContainer(args: readonly string[], mounts: readonly string[] = []): Promise<Answer> {
    const checkout = join(dirname(MAIN), '..');
    const host = testEngine().dockerHost;
    const engine = host.startsWith('unix://')
      ? ['-v', `${host.slice('unix://'.length)}:/var/run/docker.sock`]
      : ['--network', 'host', '-e', `DOCKER_HOST=${host}`];
    const program = ['-v', `${checkout}:/opt/mcads:ro`, '-v', `${process.execPath}:/opt/node:ro`];
    const image = testEngine().images.debian;
    const command = ['/opt/node', '/opt/mcads/src/main.ts', ...args, '-p', project.name, '--json'];
    const name = uniqueName('sidecar');
    return toAnswer(
      await docker(['run', '--rm', '--name', name, ...engine, ...program, ...mounts, '-w', '/', image, ...command], { accept: 'any' }),
    );
  }

  test('the repository must be a mount: the two lines to add are told', async () => {
    const run = await inContainer(['backup', '-r', '/backups']);
    expect(run.code, run.stderr).toBe(2);
    expect(run.json['error']).toMatchObject({
      code: 'usage',
      hint: expect.stringContaining('volumes:\n  - ./backups:/backups') as unknown,
    });
  });

  test('with one, everything is captured from the labels, with one warning', async () => {
    const volume = uniqueName('backups');
    await docker(['volume', 'create', volume]);
    const run = await inContainer(['backup', '-r', '/backups'], ['-v', `${volume}:/backups`]);
    expect(run.code, run.stderr).toBe(0);
    const findings = run.json['findings'] as readonly { readonly severity: string; readonly code: string }[]; // the contract
    expect(findings.filter(({ severity }) => severity !== 'info').map(({ code }) => code)).toEqual(['compose-files-not-here']);
    expect(run.json['snapshot']).toMatchObject({ completeness: 'complete' });
    const place = (await docker(['volume', 'inspect', '--format', '{{.Mountpoint}}', volume])).stdout.trim();
    expect(await expectExtracts(place)).toContain(COMPOSE());
  });
});
