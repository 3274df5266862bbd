import { randomBytes } from 'node:crypto';
import type { TestProject } from 'vitest/node';
import { withCacheLock } from './cache.ts';
import { ensureComposePlugin } from './debian-packages.ts';
import { findEngine } from './find-engine.ts';
import type { TestImages } from './image-recipes.ts';
import { ensureImages } from './images.ts';
import { removeEverything } from './leftovers.ts';
import { ensureDockerCli, joinPrivateEngine } from './private-engine.ts';
import { runCommand } from './run-command.ts';

const RUN_PREFIX = 'mt';

/** The engine that the tests of this run use; handed to them by vitest. */
export interface ProvidedEngine {
  readonly dockerHost: string;
  readonly description: string;
  readonly images: TestImages;
  /** Begins every name that this run gives to containers, volumes, networks and projects. */
  readonly runId: string;
  /** For the docker CLI: DOCKER_HOST, and a DOCKER_CONFIG where the Compose plugin is ours. */
  readonly env: Readonly<Record<string, string>>;
}

declare module 'vitest' {
  interface ProvidedContext {
    readonly engine: ProvidedEngine | undefined;
  }
}

/** Finds or starts an engine before the engine tests, and takes away afterwards whatever this run left in it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await ensureDockerCli();
  // `debian13` asks for that release's engine, whatever else is there.
  const found = process.env['MCADS_TEST_ENGINE'] === 'debian13' ? undefined : await findEngine();
  const joined = found === undefined ? await joinPrivateEngine() : undefined;
  const dockerHost = found ?? joined?.dockerHost ?? '';
  const leave = async (): Promise<void> => joined?.leave();
  try {
    const images = await withCacheLock('images', async () => ensureImages(dockerHost));
    const env = { DOCKER_HOST: dockerHost, ...(await ensureComposePlugin()) };
    // Networks of killed runs would use up all addresses, their health checks the processors.
    if (joined?.isFresh === true) await removeEverything(RUN_PREFIX, env);
    const version = (await runCommand('docker', ['version', '--format', '{{.Server.Version}} (API {{.Server.APIVersion}})'], { env }))
      .stdout;
    const description = `${joined === undefined ? 'reachable' : 'private'} engine ${version.trim()} at ${dockerHost}`;
    const runId = `${RUN_PREFIX}${randomBytes(3).toString('hex')}`;
    project.provide('engine', { dockerHost, description, images, runId, env });
    return async () => {
      await removeEverything(runId, env);
      await leave();
    };
  } catch (error) {
    await leave();
    throw error;
  }
}
