import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { docker, engineEnv, testEngine, uniqueName } from '../support/engine.ts';
import { removeEverything } from '../support/leftovers.ts';
import { runCommand, type CommandResult } from '../support/run-command.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOURCES = ['src', 'compose', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'LICENSE'];
// What .dockerignore leaves out of the packages.
const LEFT_OUT = ['.*', '@oxlint*', '@rolldown', 'lightningcss*', 'prettier', 'typescript-classic', 'vite*', 'node/node_modules'];
const LIMIT_MS = 600_000;

const image = `${uniqueName('tool')}:test`;

/** As a stream, because `node_modules` may be a link, which a build context in a folder may not lead out of. */
beforeAll(async () => {
  const without = LEFT_OUT.map((name) => `--exclude=node_modules/${name}`);
  const build = `tar -C "$1" -ch "\${@:3}" | docker build --quiet --tag "$2" --build-arg BASE_IMAGE="$BASE_IMAGE" -f compose/Dockerfile -`;
  const env = { ...engineEnv(), DOCKER_BUILDKIT: '0', BASE_IMAGE: testEngine().images.debian };
  await runCommand('bash', ['-o', 'pipefail', '-c', build, 'build', ROOT, image, ...without, ...SOURCES, 'node_modules'], { env });
}, LIMIT_MS);
afterAll(async () => removeEverything(image.replace(/:.*/, ''), testEngine().env));

/** Takes its project away again, also when it fails. */
async function story(options: readonly string[]): Promise<CommandResult> {
  const project = uniqueName('story');
  const env = {
    MCADS_IMAGE: image,
    POSTGRES_IMAGE: testEngine().images.postgres17,
    // An engine elsewhere has its socket where engines have it.
    DOCKER_SOCKET: /^unix:\/\/(.*)/.exec(testEngine().dockerHost)?.[1] ?? '/var/run/docker.sock',
  };
  const compose = ['compose', '-p', project, '-f', 'docker-compose.test.yml'];
  try {
    return await docker([...compose, 'run', '--rm', '-T', ...options, 'drill'], { cwd: ROOT, env, accept: 'any' });
  } finally {
    await removeEverything(project, testEngine().env);
  }
}

test(
  'as containers, a project is backed up, destroyed, restored, drilled and equal',
  async () => {
    const { code, stdout, stderr } = await story([]);
    expect(code, `${stdout}\n${stderr}`).toBe(0);
    expect(stdout).toContain('== everything is as it was before');
  },
  LIMIT_MS,
);

test(
  'a damaged backup is refused by the restore and ends the drill with 40',
  async () => {
    const { code, stdout, stderr } = await story(['-e', 'SABOTAGE=1']);
    expect(code, `${stdout}\n${stderr}`).toBe(40);
    expect(stdout).toContain('== drill');
  },
  LIMIT_MS,
);
