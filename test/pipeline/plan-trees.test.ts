import { NO_HOST_SETTINGS } from '../../src/domain/host.ts';
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
  '/srv/shop/link/media': { device: '1', inode: '20', type: 'directory', realPath: '/elsewhere/media' },
  '/srv/other': { device: '1', inode: '21', type: 'directory', realPath: '/srv/other' },
  '/srv/other/media': { device: '2', inode: '2', type: 'directory', realPath: '/srv/other/media' },
  '/srv/app.socket': { device: '1', inode: '13', type: 'socket', realPath: '/srv/app.socket' },
};

const PORTS: PlanPorts = {
  adapters: [],
  recognise: (one) => (one.image.startsWith('redis') ? 'redis' : null),
  settingsFor: () => settingsOf(),
  host: {
    readFile: async () => null,
    identify: async (path) => FILES[path] ?? null,
    rotatingDisk: async () => null,
    openForWriting: async () => [],
    repositoriesIn: async () => [],
    namesIn: async () => [],
    withAccessList: async () => new Set(),
    glob: async () => [],
  },
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
  logDirectory: '/srv/shop/logs',
  hostSettings: NO_HOST_SETTINGS,
  strategy: 'auto',
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
      { subject: 'bind /mnt/link-to-backups', reason: 'it is /srv/shop/backups, where backups or logs are kept', harmless: true },
    ]);
  });

  test('what is left out on purpose is told from what is missed', async () => {
    const mounts = [bindMount('/srv', '/everything'), bindMount('/', '/rootfs'), bindMount('/proc', '/host/proc')];
    const { uncovered } = await planned(project([container('web', { mounts, tmpfs: ['/run'] })]));
    expect(uncovered.filter(({ harmless }) => harmless !== true).map(({ subject }) => subject)).toEqual(['bind /srv']);
    expect(uncovered).toHaveLength(4);
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
    expect(uncovered.every(({ harmless }) => harmless)).toBe(true);
    expect(findings.map((one) => one.code)).toEqual(['bind-inside-bind']);
  });

  test('a dumped cluster is not captured raw, the rest of its volume is', async () => {
    const shop = project([container('db', { mounts: [volumeMount('shop_db', '/var/lib/postgresql')] })], [volume('shop_db', 'db')]);
    const whole = await planned(shop, settingsOf(), [{ key: 'shop_db', treatment: 'dumped', relative: '', facts: {} }]);
    expect(whole).toEqual({ components: [], uncovered: [], findings: [] });
    const part = await planned(shop, settingsOf(), [{ key: 'shop_db', treatment: 'dumped', relative: '18/docker', facts: {} }]);
    expect(part.components[0]?.method).toMatchObject({ exclude: ['18/docker'] });
  });

  test('several clusters in one volume are each left out, whatever their names', async () => {
    const shop = project([container('db', { mounts: [volumeMount('shop_db', '/clusters')] })], [volume('shop_db', 'db')]);
    const { components } = await planned(shop, settingsOf(), [
      { key: 'shop_db', treatment: 'dumped', relative: 'a[1]', facts: {} },
      { key: 'shop_db', treatment: 'dumped', relative: 'b*', facts: {} },
    ]);
    expect(components[0]?.method).toMatchObject({ exclude: ['a\\[1]', 'b\\*'] });
  });

  test('a dumped cluster in a folder of a bound project directory is not read with that', async () => {
    const shop = project([
      container('web', { mounts: [bindMount('/srv/shop', '/app')] }),
      container('db', { mounts: [bindMount('/srv/shop/media', '/var/lib/postgresql/data')] }),
    ]);
    const { components } = await planned(shop, settingsOf(), [{ key: '/srv/shop/media', treatment: 'dumped', relative: '', facts: {} }]);
    expect(components.map((one) => one.id)).toEqual(['bind/web/app']);
    expect(components[0]?.method).toMatchObject({ exclude: ['media', '**/__pycache__'] });
  });

  test.each([
    ['is switched off', { web: { enable: false } }, '/srv/shop'],
    ['leaves that folder out', { web: { exclude: ['media'] } }, '/srv/shop'],
    ['is quiesced otherwise', { worker: { quiesce: 'stop' as const } }, '/srv/shop'],
    ['reaches it through a symlink only', {}, '/srv/shop/link'],
    ['lies on another filesystem', {}, '/srv/other'],
  ])('a bind inside another one is captured by itself where that %s', async (_, services, folder) => {
    const inner = folder === '/srv/shop' ? '/srv/shop/media' : `${folder}/media`;
    const outer = folder === '/srv/shop/link' ? '/srv/shop' : folder;
    const shop = project([
      container('web', { mounts: [bindMount(outer, '/app')] }),
      container('worker', { mounts: [bindMount(inner, '/media')] }),
    ]);
    const { components, findings } = await planned(shop, settingsOf(services));
    expect(components.map((one) => one.id)).toContain('bind/worker/media');
    expect(findings).toEqual([]);
  });

  test('a volume that a one-off run or a restarting service writes is not called cold, one of a paused service is called paused', async () => {
    const mounts = [volumeMount('shop_data', '/data')];
    const volumes = [volume('shop_data', 'data')];
    const consistency = async (state: 'running' | 'restarting' | 'paused', oneOff: boolean) =>
      (await planned(project([container('job', { mounts, oneOff, state })], volumes))).components[0]?.consistency;
    expect(await consistency('running', true)).toBe('live');
    expect(await consistency('restarting', false)).toBe('live');
    expect(await consistency('paused', false)).toBe('paused');
  });

  test('binds of one-off runs are named', async () => {
    const shop = project([container('job', { oneOff: true, mounts: [bindMount('/srv/shop/media', '/media')] })]);
    const { components, uncovered } = await planned(shop);
    expect(components).toEqual([]);
    expect(uncovered).toMatchObject([{ subject: 'bind /srv/shop/media' }]);
  });

  test('an engine without an adapter is told by its bound data, not by its bound configuration', async () => {
    const withBind = async (target: string) =>
      (await planned(project([container('queue', { image: 'redis:7', mounts: [bindMount('/srv/shop/media', target)] })]))).components[0];
    expect((await withBind('/data'))?.findings).toMatchObject([{ severity: 'error', code: 'engine-read-live' }]);
    expect((await withBind('/usr/local/etc/redis/redis.conf'))?.findings).toEqual([]);
  });

  test('our own container is neither captured nor counted, its repository volume least of all', async () => {
    const mounts = [
      volumeMount('shop_backups', '/srv/shop/backups'),
      bindMount('/srv/shop', '/project'),
      volumeMount('shop_media', '/media'),
    ];
    const own = container('backup', { mounts });
    const shop = project([own], [volume('shop_backups', 'backups'), volume('shop_media', 'media')]);
    const info = shop.engineInfo === null ? null : { ...shop.engineInfo, ownContainer: { id: own.id, name: own.name, mounts } };
    const settings = settingsOf({ backup: { quiesce: 'stop' } });
    const { components, uncovered } = await planned({ ...shop, engineInfo: info }, settings);
    expect(components).toMatchObject([{ id: 'volume/media', consistency: 'cold', quiesce: 'none', users: [] }]);
    expect(uncovered).toMatchObject([
      { subject: 'bind /srv/shop', reason: expect.stringContaining('this container') },
      { subject: 'volume backups', reason: 'backups or logs are kept there' },
    ]);
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
