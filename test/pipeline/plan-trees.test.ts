import { describe, expect, test } from 'vitest';
import type { FileIdentity } from '../../src/domain/ports.ts';
import { planTrees } from '../../src/pipeline/plan-trees.ts';
import type { PlanPorts, PlanRequest } from '../../src/pipeline/requests.ts';
import { serviceViews } from '../../src/pipeline/service-views.ts';
import type { Project } from '../../src/domain/plan.ts';
import type { ClusterMount } from '../../src/pipeline/plan-databases.ts';
import type { SettingsLookup } from '../../src/pipeline/requests.ts';
import { bindMount, container, project, settingsOf, volume, volumeMount } from '../support/project-builder.ts';

const FILES: Record<string, FileIdentity> = {
  '/srv/shop/media': { device: '1', inode: '10', type: 'directory', realPath: '/srv/shop/media' },
  '/srv/shop': { device: '1', inode: '11', type: 'directory', realPath: '/srv/shop' },
  '/srv/shop/backups': { device: '1', inode: '12', type: 'directory', realPath: '/srv/shop/backups' },
  '/mnt/link-to-backups': { device: '1', inode: '12', type: 'directory', realPath: '/srv/shop/backups' },
  '/srv/app.socket': { device: '1', inode: '13', type: 'socket', realPath: '/srv/app.socket' },
};

const PORTS: PlanPorts = {
  adapters: [],
  recognise: (one) => (one.image.startsWith('redis') ? 'redis' : null),
  settingsFor: () => settingsOf(),
  host: { readFile: async () => null, identify: async (path) => FILES[path] ?? null, glob: async () => [] },
  runId: 'run',
};

const REQUEST: PlanRequest = {
  directory: '/srv/shop',
  projectName: null,
  services: [],
  components: [],
  images: 'none',
  configFiles: [],
  exclude: [],
  sizes: false,
  neverCapture: ['/srv/shop/backups'],
};

async function planned(shop: Project, settings: SettingsLookup = settingsOf(), clusters: readonly ClusterMount[] = []) {
  return planTrees(serviceViews(shop, settings), shop, clusters, REQUEST, PORTS, settings);
}

describe('trees of a project', () => {
  test('a volume shared by several services is captured once, under its Compose key', async () => {
    const shop = project(
      [
        container('web', { mounts: [volumeMount('shop_media', '/media')] }),
        container('worker', { mounts: [volumeMount('shop_media', '/data')] }),
      ],
      [volume('shop_media', 'media')],
    );
    const { components } = await planned(shop);
    expect(components.map((one) => one.id)).toEqual(['volume/media']);
    expect(components[0]?.users).toEqual(['id-web-1', 'id-worker-1']);
    expect(components[0]?.facts).toMatchObject({ targets: ['web:/media', 'worker:/data'] });
  });

  test('anonymous volumes are named by service and target, replicas by number, external ones by their own name', async () => {
    const anonymous = 'a'.repeat(64);
    const second = 'b'.repeat(64);
    const shop = project(
      [
        container('web', { mounts: [volumeMount(anonymous, '/cache'), volumeMount('company', '/shared')] }),
        container('web', { number: 2, mounts: [volumeMount(second, '/cache')] }),
      ],
      [volume(anonymous, null), volume(second, null), volume('company', null)],
    );
    const { components } = await planned(shop);
    expect(components.map((one) => one.id).toSorted()).toEqual(['volume/company', 'volume/web/cache', 'volume/web/cache#2']);
  });

  test('what lives in memory only is named and never captured as empty', async () => {
    const shop = project(
      [container('web', { tmpfs: ['/run'], mounts: [volumeMount('shop_ram', '/ram')] })],
      [volume('shop_ram', 'ram', { options: { type: 'tmpfs' } })],
    );
    const { components, uncovered } = await planned(shop);
    expect(components).toEqual([]);
    expect(uncovered.map((one) => one.subject).toSorted()).toEqual(['volume ram', 'web:/run']);
  });

  test('the repository is left out however it is reached', async () => {
    const shop = project([container('web', { mounts: [bindMount('/mnt/link-to-backups', '/b'), bindMount('/srv/shop/media', '/media')] })]);
    const { components, uncovered } = await planned(shop);
    expect(components.map((one) => one.id)).toEqual(['bind/web/media']);
    expect(uncovered).toEqual([
      { subject: 'bind /mnt/link-to-backups', reason: 'it is /srv/shop/backups, where backups or logs are kept' },
    ]);
  });

  test('sockets and system files are named, a bind inside a bind is captured once', async () => {
    const shop = project([
      container('web', {
        mounts: [
          bindMount('/var/run/docker.sock', '/s'),
          bindMount('/srv/app.socket', '/t'),
          bindMount('/etc/localtime', '/etc/localtime'),
          bindMount('/srv/shop', '/app'),
          bindMount('/srv/shop/media', '/app/media'),
        ],
      }),
    ]);
    const { components, uncovered, findings } = await planned(shop);
    expect(components.map((one) => one.id)).toEqual(['bind/web/app']);
    expect(components[0]?.method).toMatchObject({ exclude: ['**/__pycache__'] });
    expect(uncovered).toHaveLength(3);
    expect(findings.map((one) => one.code)).toEqual(['bind-inside-bind']);
  });

  test('a dumped cluster is not captured raw, the rest of its volume is', async () => {
    const shop = project([container('db', { mounts: [volumeMount('shop_db', '/var/lib/postgresql')] })], [volume('shop_db', 'db')]);
    const whole = await planned(shop, settingsOf(), [{ key: 'shop_db', treatment: 'dumped', relative: '', facts: {} }]);
    expect(whole).toEqual({ components: [], uncovered: [], findings: [] });
    const part = await planned(shop, settingsOf(), [{ key: 'shop_db', treatment: 'dumped', relative: '18/docker', facts: {} }]);
    expect(part.components[0]?.method).toMatchObject({ exclude: ['18/docker'] });
  });

  test('an engine without an adapter that runs while its files are read is an error, unless quiesced or accepted', async () => {
    const shop = project(
      [container('cache', { image: 'redis:7', mounts: [volumeMount('shop_cache', '/data')] })],
      [volume('shop_cache', 'cache')],
    );
    const live = await planned(shop);
    expect(live.components[0]?.findings).toMatchObject([{ severity: 'error', code: 'engine-read-live' }]);
    for (const settings of [settingsOf({ cache: { quiesce: 'pause' } }), settingsOf({}, { cache: { consistency: 'crash' } })]) {
      const calm = await planned(shop, settings);
      expect(calm.components[0]?.findings).toEqual([]);
    }
  });
});
