import { describe, expect, test } from 'vitest';
import { componentId } from '../../src/domain/component.ts';
import type { PlannedComponent } from '../../src/domain/plan.ts';
import { groupComponents, stopOrder } from '../../src/pipeline/plan-groups.ts';
import { serviceViews } from '../../src/pipeline/service-views.ts';
import { container, NO_SETTINGS, project, settingsOf } from '../support/project-builder.ts';

function tree(name: string, users: readonly string[], quiesce: PlannedComponent['quiesce'] = 'none'): PlannedComponent {
  const method: PlannedComponent['method'] = { kind: 'tree', mount: { type: 'volume', name, driver: 'local', subpath: null }, exclude: [] };
  return {
    id: componentId('volume', name),
    method,
    how: '',
    because: 'detected',
    bytes: null,
    consistency: 'live',
    users,
    quiesce,
    findings: [],
    settings: NO_SETTINGS,
  };
}

function dump(service: string): PlannedComponent {
  const method: PlannedComponent['method'] = { kind: 'dump', adapter: 'postgres', service, container: `id-${service}-1`, database: 'app' };
  return { ...tree('x', [`id-${service}-1`]), id: componentId('database', service, 'app'), method };
}

const need = { condition: 'service_started', restart: false };
const db = container('db');
const web = container('web', { dependsOn: { db: need } });
const proxy = container('proxy', { dependsOn: { web: need } });
const mail = container('mail');
const shop = project([db, web, proxy, mail]);
const views = serviceViews(shop, settingsOf());

describe('consistency points', () => {
  test('dependants stop first', () => {
    expect(stopOrder([db, proxy, mail, web], views).map((one) => one.service)).toEqual(['proxy', 'web', 'db', 'mail']);
  });

  test('without quiescing everything is one group that freezes nothing', () => {
    const groups = groupComponents([tree('media', [web.id]), dump('db')], shop, views);
    expect(groups).toMatchObject([{ quiesce: 'none', containers: [] }]);
  });

  test('volumes that share a container freeze together, and the dump of the database behind them belongs to the same point', () => {
    const components = [tree('media', [web.id], 'stop'), tree('static', [web.id, proxy.id]), tree('mail', [mail.id]), dump('db')];
    const groups = groupComponents(components, shop, views);
    expect(
      groups.map((group) => ({ quiesce: group.quiesce, containers: group.containers, ids: group.components.map((one) => one.id) })),
    ).toEqual([
      { quiesce: 'none', containers: [], ids: ['volume/mail'] },
      { quiesce: 'stop', containers: [proxy.id, web.id], ids: ['database/db/app', 'volume/media', 'volume/static'] },
    ]);
  });

  test('a container that does not run is not frozen', () => {
    const stopped = project([container('web', { state: 'exited' })]);
    const groups = groupComponents([tree('media', [web.id], 'stop')], stopped, serviceViews(stopped, settingsOf()));
    expect(groups).toMatchObject([{ quiesce: 'none' }]);
  });
});
