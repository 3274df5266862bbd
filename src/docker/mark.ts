import type { EngineClient } from './engine-client.ts';
import { NO_COMPOSE_LABELS } from './labels.ts';
import type { TreeContext } from './tree-context.ts';

/**
 * Creates a container that is never started and only carries labels: a note that lives in the engine and survives us, the
 * engine and the machine. Names are unique per engine, so a name is a mutex. Rejects with status 409 where it is taken.
 */
export async function createMark(
  context: TreeContext,
  name: string,
  labels: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<string> {
  const image = await context.images.empty(signal);
  const body = {
    Image: image,
    Entrypoint: ['never-started'],
    NetworkDisabled: true,
    Labels: { ...NO_COMPOSE_LABELS, ...labels },
    HostConfig: { NetworkMode: 'none', LogConfig: { Type: 'none' } },
  };
  const { Id: id } = await context.client.json<{ readonly Id: string }>(
    'POST',
    '/containers/create',
    { query: { name }, body },
    `creating the mark ${name}`,
    signal,
  );
  return id;
}

export async function removeMark(client: EngineClient, id: string, signal: AbortSignal): Promise<void> {
  await client.send('DELETE', `/containers/${id}`, { query: { force: true, v: true } }, 'removing a mark', signal, [404, 409]);
}
