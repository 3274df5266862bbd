import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { inject } from 'vitest';
import type { ProvidedEngine } from './global-setup.ts';
import { removeEverything } from './leftovers.ts';
import { type CommandOptions, type CommandResult, runCommand } from './run-command.ts';

/** The engine of this run. Only for tests below `test/engine`. */
export function testEngine(): ProvidedEngine {
  const engine = inject('engine');
  if (engine === undefined) throw new Error('this run has no engine: tests that need one live below test/engine');
  return engine;
}

/** Runs the docker CLI against the test engine: `docker(['ps', '-q'])`. Rejects on failure unless the code is accepted. */
export async function docker(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return runCommand('docker', args, { ...options, env: { ...engineEnv(), ...options.env } });
}

/** A name of this run, unique among all runs on this engine; what bears it is removed when the run ends. */
export function uniqueName(what = 'p'): string {
  return `${testEngine().runId}-${what}-${randomBytes(3).toString('hex')}`;
}

/** The environment for programs under test: they find the test engine, and the images under the names that Compose files use. */
export function engineEnv(): Readonly<Record<string, string | undefined>> {
  const { env, images } = testEngine();
  return {
    DOCKER_CONTEXT: undefined,
    ...env,
    POSTGRES_IMAGE: images.postgres15,
    WEB_IMAGE: images.debian,
    NGINX_IMAGE: images.nginx,
  };
}

export interface TestProjectFolder extends AsyncDisposable {
  /** The Compose project's name, also the folder's own. */
  readonly name: string;
  readonly directory: string;
  /** `docker compose` in that folder. */
  compose(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Writes a file below the folder. */
  write(path: string, content: string | Uint8Array, mode?: number): Promise<void>;
}

/**
 * A project in a temporary folder under a unique name: `await using project = await createProject({'compose.yaml': '…'})`.
 * Disposing takes its containers, volumes, networks and files away.
 */
export async function createProject(files: Readonly<Record<string, string | Uint8Array>> = {}): Promise<TestProjectFolder> {
  const name = uniqueName();
  const parent = await mkdtemp(join(tmpdir(), 'mcads-project-'));
  const directory = join(parent, name);
  await mkdir(directory);
  const write: TestProjectFolder['write'] = async (path, content, mode) => {
    const target = join(directory, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, content);
    if (mode !== undefined) await chmod(target, mode);
  };
  for (const [path, content] of Object.entries(files)) await write(path, content);
  return {
    name,
    directory,
    write,
    compose: async (args, options = {}) => docker(['compose', ...args], { cwd: directory, ...options }),
    async [Symbol.asyncDispose]() {
      await removeEverything(name, testEngine().env);
      await rm(parent, { recursive: true, force: true });
    },
  };
}
