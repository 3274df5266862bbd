import { join } from 'node:path';
import { ensureComposePlugin, unpackPackages } from './debian-packages.ts';
import { commandWorks } from './run-command.ts';

export interface ComposeCli {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Compose version 2, which `config` needs no engine for: the plugin of the docker CLI, or the plugin run on its own. */
export async function composeCli(): Promise<ComposeCli> {
  if (await commandWorks('docker', ['--version'])) {
    return { program: 'docker', args: ['compose'], env: await ensureComposePlugin() };
  }
  const unpacked = await unpackPackages('trixie', ['docker-compose']);
  return { program: join(unpacked, 'usr/libexec/docker/cli-plugins/docker-compose'), args: [], env: {} };
}
