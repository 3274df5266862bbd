import { expect, test } from 'vitest';
import { componentId } from '../../src/domain/component.ts';
import type { EngineContainer } from '../../src/domain/engine-model.ts';
import type { Consistency } from '../../src/domain/manifest.ts';
import type { PlannedComponent } from '../../src/domain/plan.ts';
import type { Engine } from '../../src/domain/ports.ts';
import { consistencyAfter } from '../../src/pipeline/still-cold.ts';
import { container, project, volumeMount } from '../support/project-builder.ts';

const MOUNTS = [volumeMount('shop_data', '/data')];
const web = (more: Partial<EngineContainer> = {}): EngineContainer => container('web', { mounts: MOUNTS, ...more });

/** What a copy counts as whose users were as `before` when it was planned and are as `after` when it is read. */
async function after(consistency: Consistency, now: readonly EngineContainer[], recognised: string | null = null): Promise<Consistency> {
  const planned = project([web()]);
  const component = {
    id: componentId('volume', 'data'),
    method: { kind: 'tree', mount: { type: 'volume', name: 'shop_data', driver: 'local', subpath: null }, exclude: [] },
    consistency,
    users: [web().id],
  } as Partial<PlannedComponent> as PlannedComponent;
  const engine = {
    info: {},
    viewProject: async () => ({ ...planned.engine, containers: now, foreignUsers: [], foreignBinds: [] }),
  } as unknown as Engine;
  return consistencyAfter(component, planned, engine, { recognise: () => recognised }, new AbortController().signal);
}

test('what was stopped or paused counts as such only while nobody starts it', async () => {
  expect(await after('stopped', [web({ state: 'exited' })])).toBe('stopped');
  expect(await after('paused', [web({ state: 'paused' })])).toBe('paused');
  expect(await after('stopped', [web({ startedAt: '2026-01-02T00:00:00Z' })])).toBe('live');
  expect(await after('stopped', [web({ state: 'exited', startedAt: '2026-01-02T00:00:00Z' })])).toBe('live');
  expect(await after('paused', [web()])).toBe('live');
  expect(await after('stopped', [web({ state: 'exited' }), container('cron', { mounts: MOUNTS })])).toBe('live');
  expect(await after('stopped', [web({ state: 'exited' }), container('cron')])).toBe('stopped');
});

test('of the files of a database nothing is kept then', async () => {
  await expect(after('stopped', [web({ startedAt: '2026-01-02T00:00:00Z' })], 'mysql')).rejects.toMatchObject({
    code: 'component-failed',
    message: expect.stringContaining('was started while its files were copied') as string,
  });
});
