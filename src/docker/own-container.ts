import { readFile } from 'node:fs/promises';
import type { ContainerJson } from './engine-api.ts';
import type { EngineClient } from './engine-client.ts';

/**
 * The container that this process runs in, null on a host or where the engine does not know it. The id stands in
 * the mounts of `hostname` and `resolv.conf`, also with a custom hostname or the host's network.
 */
export async function findOwnContainer(client: EngineClient, signal: AbortSignal): Promise<ContainerJson | null> {
  const id = ownContainerId(await readMountinfo());
  return id === null ? null : client.find<ContainerJson>(`/containers/${id}/json`, {}, 'looking at our own container', signal);
}

export function ownContainerId(mountinfo: string): string | null {
  for (const line of mountinfo.split('\n')) {
    const [root, target] = line.split(' ').slice(3, 5);
    if (target !== '/etc/hostname' && target !== '/etc/resolv.conf' && target !== '/etc/hosts') continue;
    const id = /\/(?:overlay-)?containers\/([0-9a-f]{64})\//.exec(root ?? '')?.[1];
    if (id !== undefined) return id;
  }
  return null;
}

async function readMountinfo(): Promise<string> {
  try {
    return await readFile('/proc/self/mountinfo', 'utf8');
  } catch {
    return ''; // no Linux: not in a container of this engine
  }
}
