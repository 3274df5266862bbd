import type { Engine } from '../../src/domain/ports.ts';
import { openEngine } from '../../src/docker/open-engine.ts';
import { docker, testEngine, uniqueName } from '../support/engine.ts';

export const signal = new AbortController().signal;

/** The test engine through `src/docker`. `dockerHost` goes another way to it. */
export async function openTestEngine(dockerHost = testEngine().dockerHost): Promise<Engine> {
  return openEngine(
    {
      context: null,
      environment: { ...process.env, DOCKER_HOST: dockerHost, DOCKER_CONTEXT: undefined },
      home: '/nonexistent',
      ownVersion: 'test',
    },
    signal,
  );
}

/** A running container of the Debian test image, removed when disposed. */
export async function runContainer(
  options: readonly string[] = [],
  command: readonly string[] = ['sleep', '1000'],
): Promise<AsyncDisposable & { readonly name: string }> {
  const name = uniqueName('c');
  await docker(['run', '--detach', '--init', '--network', 'none', '--name', name, ...options, testEngine().images.debian, ...command]);
  return { name, [Symbol.asyncDispose]: async () => void (await docker(['rm', '--force', '--volumes', name])) };
}

/** Runs a shell script with a volume at /data. */
export async function inVolume(volume: string, script: string): Promise<string> {
  const { stdout } = await docker([
    'run',
    '--rm',
    '--volume',
    `${volume}:/data`,
    '--workdir',
    '/data',
    testEngine().images.debian,
    'sh',
    '-c',
    script,
  ]);
  return stdout;
}

export async function readText(stdout: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stdout) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** Names of the containers of ours that are left on the engine and were made by this process. */
export async function ownHelpers(): Promise<readonly string[]> {
  const { stdout } = await docker(['ps', '--all', '--filter', 'label=mcads.helper', '--format', '{{.Names}} {{.Label "mcads.owner"}}']);
  return stdout
    .split('\n')
    .filter((line) => line.includes(`"pid":${process.pid},`))
    .map((line) => line.split(' ')[0] ?? '');
}
