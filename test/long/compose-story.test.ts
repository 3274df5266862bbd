import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureComposeV1 } from '../support/debian-packages.ts';
import { engineProxy } from '../engine/e2e-support.ts';
import { createProject, docker, engineEnv, testEngine, uniqueName } from '../support/engine.ts';
import { removeEverything } from '../support/leftovers.ts';
import { runCommand, type CommandResult } from '../support/run-command.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOURCES = ['src', 'compose', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'LICENSE'];
// What .dockerignore leaves out of the packages.
const LEFT_OUT = ['.*', '@oxlint*', '@rolldown', 'lightningcss*', 'prettier', 'typescript-classic', 'vite*', 'node/node_modules'];
const LIMIT_MS = 600_000;
const SOCKET_GROUP = 64_243;

const image = `${uniqueName('tool')}:test`;

/** As a stream, because `node_modules` may be a link, which a build context in a folder may not lead out of. */
beforeAll(async () => {
  const without = LEFT_OUT.map((name) => `--exclude=node_modules/${name}`);
  const build = `tar -C "$1" -ch "\${@:3}" | docker build --quiet --tag "$2" --build-arg BASE_IMAGE="$BASE_IMAGE" -f compose/Dockerfile -`;
  const env = { ...engineEnv(), DOCKER_BUILDKIT: '0', BASE_IMAGE: testEngine().images.debian };
  await runCommand('bash', ['-o', 'pipefail', '-c', build, 'build', ROOT, image, ...without, ...SOURCES, 'node_modules'], { env });
}, LIMIT_MS);
afterAll(async () => removeEverything(image.replace(/:.*/, ''), testEngine().env));

type Compose = (args: readonly string[], env: Readonly<Record<string, string>>) => Promise<CommandResult>;

const composeV2: Compose = async (args, env) => docker(['compose', ...args], { cwd: ROOT, env, accept: 'any' });

const composeV1: Compose = async (args, env) => {
  const v1 = await ensureComposeV1();
  return runCommand('python3', [v1.program, '--no-ansi', ...args], {
    cwd: ROOT,
    env: { ...engineEnv(), ...v1.env, ...env },
    accept: 'any',
  });
};

/** Takes its project away again, also when it fails. */
async function story(compose: Compose, options: readonly string[]): Promise<CommandResult> {
  const project = uniqueName('story');
  const env = {
    MCADS_IMAGE: image,
    POSTGRES_IMAGE: testEngine().images.postgres17,
    // An engine elsewhere has its socket where engines have it.
    DOCKER_SOCKET: /^unix:\/\/(.*)/.exec(testEngine().dockerHost)?.[1] ?? '/var/run/docker.sock',
  };
  try {
    return await compose(['-p', project, '-f', 'docker-compose.test.yml', 'run', '--rm', '-T', ...options, 'drill'], env);
  } finally {
    await removeEverything(project, testEngine().env);
  }
}

describe.each([
  ['docker compose', composeV2],
  ['docker-compose of version 1', composeV1],
])('%s', (_, compose) => {
  test(
    'as containers, a project is backed up, destroyed, restored, drilled and equal',
    async () => {
      const { code, stdout, stderr } = await story(compose, []);
      expect(code, `${stdout}\n${stderr}`).toBe(0);
      expect(stdout).toContain('== everything is as it was before');
    },
    LIMIT_MS,
  );

  test(
    'a damaged backup is refused by the restore and ends the drill with 40',
    async () => {
      const { code, stdout, stderr } = await story(compose, ['-e', 'SABOTAGE=1']);
      expect(code, `${stdout}\n${stderr}`).toBe(40);
      expect(stdout).toContain('== drill');
    },
    LIMIT_MS,
  );
});

const COMPOSE = `
services:
  db:
    image: \${POSTGRES_IMAGE}
    environment: { POSTGRES_PASSWORD: only-for-this-test }
    volumes: ['db:/var/lib/postgresql/data']
    healthcheck: { test: [CMD-SHELL, pg_isready -q -h 127.0.0.1 -U postgres], interval: 1s, retries: 120 }
  web:
    image: \${WEB_IMAGE}
    init: true
    command: [sleep, infinity]
    volumes: ['media:/media']
volumes: { db: {}, media: {} }
`;

test(
  'one shot as a container, as a user that only the group of the socket lets in',
  async () => {
    await using project = await createProject({ 'compose.yaml': COMPOSE });
    await using proxy = await engineProxy({ uid: 0, gid: SOCKET_GROUP, mode: 0o660 });
    await project.compose(['up', '-d', '--wait']);
    await docker(['exec', `${project.name}-web-1`, 'sh', '-c', 'echo picture > /media/one.png; chmod 600 /media/one.png']);
    const backups = `${project.name}_backups_of_the_test`;
    const asUser = async (user: string, ...words: readonly string[]): Promise<CommandResult> => {
      const mounts = ['-v', `${proxy.socketPath}:/var/run/docker.sock`, '-v', `${backups}:/backups`];
      return docker(['run', '--rm', '--user', user, ...mounts, image, '-p', project.name, ...words], { accept: 'any' });
    };
    const member = `10001:${SOCKET_GROUP}`;

    const refused = await asUser('10001:10001', 'backup');
    expect(refused.code, refused.stderr).toBe(20);
    expect(refused.stderr).toContain('group');

    const made = await asUser(member, 'backup');
    expect(made.code, made.stderr).toBe(0);
    const verified = await asUser(member, 'verify', '--read-data');
    expect(verified.code, verified.stderr).toBe(0);
    const extracted = await asUser(member, 'extract', 'latest', 'volume/media:one.png', '--target', '-');
    expect(extracted.stdout).toContain('picture');
    const restored = await asUser(member, 'restore', 'latest', '--yes');
    expect(restored.code, restored.stderr).toBe(0);
    const drilled = await asUser(member, 'drill', 'latest');
    expect(drilled.code, drilled.stderr).toBe(0);
  },
  LIMIT_MS,
);
