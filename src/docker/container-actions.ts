import { setTimeout as delay } from 'node:timers/promises';
import { McadsError } from '../errors.ts';
import type { ContainerJson } from './engine-api.ts';
import type { EngineClient } from './engine-client.ts';
import { cancelled, statusOf } from './engine-errors.ts';
import { SWARM_SERVICE } from './labels.ts';

/** Freezes. Nothing happens where the container is paused already. */
export async function pause(client: EngineClient, container: string, signal: AbortSignal): Promise<void> {
  await refuseSwarm(client, container, 'pause', signal);
  const doing = `pausing container ${container}`;
  await act(client, container, 'pause', doing, signal, ({ State }) => State.Paused === true);
}

/** Thaws. Nothing happens where the container is not paused, be it that it runs or that somebody has stopped it. */
export async function unpause(client: EngineClient, container: string, signal: AbortSignal): Promise<void> {
  await act(client, container, 'unpause', `unpausing container ${container}`, signal, ({ State }) => State.Paused !== true);
}

/** Stops with the container's own signal and grace period; also one that is paused. */
export async function stop(client: EngineClient, container: string, signal: AbortSignal): Promise<void> {
  await refuseSwarm(client, container, 'stop', signal);
  await act(client, container, 'stop', `stopping container ${container}`, signal, ({ State }) => !State.Running);
}

export async function start(client: EngineClient, container: string, signal: AbortSignal): Promise<void> {
  await act(client, container, 'start', `starting container ${container}`, signal, ({ State }) => State.Running);
}

/** Polls until healthy, or running where there is no health check. Rejects `engine-failed` when it exits or the time is over. */
export async function waitHealthy(client: EngineClient, container: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (let wait = 50; ; wait = Math.min(wait * 1.5, 1000)) {
    const { State: state, Name: name } = await look(client, container, signal);
    const health = state.Health?.Status ?? 'none';
    if (state.Status === 'running' && (health === 'none' || health === 'healthy' || health === '')) return;
    if (state.Status === 'exited' || state.Status === 'dead') {
      throw new McadsError('engine-failed', `${name.slice(1)} exited with ${state.ExitCode} instead of becoming healthy`, {
        hint: `Look at \`docker logs ${name.slice(1)}\`.`,
      });
    }
    if (performance.now() >= deadline) {
      throw new McadsError(
        'engine-failed',
        `${name.slice(1)} is ${health === 'none' ? state.Status : health} after ${Math.round(timeoutMs / 1000)} s`,
        {
          hint: `Look at \`docker logs ${name.slice(1)}\`.`,
        },
      );
    }
    try {
      await delay(wait, undefined, { signal });
    } catch {
      throw cancelled(signal);
    }
  }
}

/** A refusal counts as done where the container is in the wanted state anyway: engines differ in how they answer. */
async function act(
  client: EngineClient,
  container: string,
  action: string,
  doing: string,
  signal: AbortSignal,
  isDone: (json: ContainerJson) => boolean,
): Promise<void> {
  try {
    await client.send('POST', `/containers/${encodeURIComponent(container)}/${action}`, {}, doing, signal);
  } catch (error) {
    const status = statusOf(error);
    if ((status !== 409 && status !== 500) || !isDone(await look(client, container, signal))) throw error;
  }
}

async function refuseSwarm(client: EngineClient, container: string, action: string, signal: AbortSignal): Promise<void> {
  const { Config: config, Name: name } = await look(client, container, signal);
  if (config.Labels?.[SWARM_SERVICE] === undefined) return;
  throw new McadsError(
    'component-failed',
    `cannot ${action} ${name.slice(1)}: it is a task of a Swarm service, and Swarm would start another one`,
    {
      hint: 'Set `mcads.quiesce` to `none`, or scale the service to 0 yourself before the backup.',
    },
  );
}

async function look(client: EngineClient, container: string, signal: AbortSignal): Promise<ContainerJson> {
  return client.json<ContainerJson>(
    'GET',
    `/containers/${encodeURIComponent(container)}/json`,
    {},
    `looking at container ${container}`,
    signal,
  );
}
