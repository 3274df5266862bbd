import { type EngineContainer, isUp } from '../domain/engine-model.ts';
import type { PlannedComponent, Project } from '../domain/plan.ts';
import type { Engine } from '../domain/ports.ts';
import { McadsError } from '../errors.ts';
import { foreignUsersOf } from './foreign-users.ts';
import { mountKey } from './plan-databases.ts';
import type { PlanPorts } from './requests.ts';

/**
 * What was planned as cold (or stopped, or paused) is so only if nobody came to use it while it was read. Resolves with what the copy is; rejects
 * `component-failed` for the files of a database, which are worth nothing then.
 */
export async function consistencyAfter(
  component: PlannedComponent,
  project: Project,
  engine: Engine,
  ports: Pick<PlanPorts, 'recognise'>,
  signal: AbortSignal,
): Promise<PlannedComponent['consistency']> {
  const { method, consistency, facts } = component;
  const isQuiet = consistency === 'stopped' || consistency === 'paused';
  if ((consistency !== 'cold' && !isQuiet) || method.kind !== 'tree') return consistency;
  const key = method.mount.type === 'volume' ? method.mount.name : method.mount.hostPath;
  const now = await engine.viewProject(project.name, signal);
  const own = engine.info.ownContainer;
  const known = project.engine?.containers ?? [];
  const before = new Map(known.map(({ id, startedAt }) => [id, startedAt]));
  // Also one that was started and has ended again.
  const users = now.containers.filter(
    (one) =>
      one.id !== own?.id &&
      (one.state === 'running' || one.state === 'restarting' || (before.get(one.id) ?? one.startedAt) !== one.startedAt) &&
      one.mounts.some((mount) => mountKey(mount) === key) &&
      (!isQuiet || component.users.includes(one.id) || !before.has(one.id)),
  );
  const foreign = isQuiet ? [] : foreignUsersOf(method.mount, now, own?.name);
  // One that is stopped while it is paused is thawed first, so that it may write its last.
  const thawed =
    consistency === 'paused'
      ? known.filter((one) => component.users.includes(one.id) && one.id !== own?.id && isUp(one) && stateIn(now, one) !== 'paused')
      : [];
  const user = users[0]?.name ?? foreign[0]?.container ?? thawed[0]?.name;
  if (user === undefined) return consistency;
  if (facts?.['cluster'] !== undefined || [...users, ...thawed].some((one) => ports.recognise(one) !== null)) {
    const what = user === thawed[0]?.name ? 'thawed' : 'started';
    throw new McadsError('component-failed', `${user} was ${what} while its files were copied: the copy is discarded`, {
      hint: 'back up again, so that it is dumped',
    });
  }
  return 'live';
}

function stateIn({ containers }: { readonly containers: readonly EngineContainer[] }, { id }: EngineContainer): string {
  return containers.find((one) => one.id === id)?.state ?? 'gone';
}
