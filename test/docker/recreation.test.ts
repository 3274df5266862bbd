import { expect, test } from 'vitest';
import type { JsonObject } from '../../src/domain/byte-stream.ts';
import type { EngineState } from '../../src/domain/engine-model.ts';
import type { RecreatedContainer, RecreationOptions } from '../../src/domain/restore.ts';
import { recreation } from '../../src/docker/recreation.ts';

/** Inspect JSON as Engine 20.10 writes it, without what is empty. */
const idOf = (letter: string): string => letter.repeat(64);
const ANONYMOUS = '92905f116799c0b113cabdcb302eaaf2add155fbc9c5848a3db055d2cda316b2';
const LABEL = 'com.docker.compose';
const composeLabels = (service: string, more: Readonly<Record<string, string>> = {}): JsonObject => ({
  [`${LABEL}.project`]: 'shop',
  [`${LABEL}.service`]: service,
  [`${LABEL}.container-number`]: '1',
  [`${LABEL}.oneoff`]: 'False',
  [`${LABEL}.config-hash`]: 'c8b50ea7',
  [`${LABEL}.version`]: '2.26.1',
  [`${LABEL}.project.working_dir`]: '/srv/shop',
  [`${LABEL}.project.config_files`]: '/srv/shop/compose.yaml,/etc/compose.override.yaml',
  ...more,
});

const web: JsonObject = {
  Id: idOf('a'),
  Name: '/shop-web-1',
  Created: '2026-01-01T00:00:01Z',
  Image: 'sha256:1',
  State: { Running: true },
  Config: {
    Hostname: 'shopfront',
    Image: 'nginx',
    ExposedPorts: { '80/tcp': {} },
    Volumes: { '/scratch': {} },
    Labels: composeLabels('web', { [`${LABEL}.depends_on`]: 'db:service_healthy:true' }),
  },
  HostConfig: {
    NetworkMode: 'shop_front',
    Binds: ['shop_media:/media:rw', '/srv/shop/conf:/conf:ro', '/dev/log:/dev/log:rw'],
    Mounts: [{ Type: 'volume', Source: 'outside', Target: '/outside' }],
    PortBindings: { '80/tcp': [{ HostIp: '', HostPort: '8080' }] },
    StopTimeout: 3,
    Runtime: 'runc',
  },
  Mounts: [
    { Type: 'volume', Name: 'shop_media', Source: '/var/lib/x', Destination: '/media', RW: true },
    { Type: 'volume', Name: 'outside', Destination: '/outside', RW: true },
    { Type: 'volume', Name: ANONYMOUS, Destination: '/scratch', RW: true },
    { Type: 'bind', Source: '/srv/shop/conf', Destination: '/conf', RW: false },
    { Type: 'bind', Source: '/dev/log', Destination: '/dev/log', RW: true },
  ],
  NetworkSettings: {
    Networks: {
      proxy: { Aliases: ['shop-web-1', 'web', 'aaaaaaaaaaaa'] },
      shop_front: { IPAMConfig: { IPv4Address: '10.0.0.9' }, Aliases: ['www', 'aaaaaaaaaaaa'], Links: ['the-database:db'] },
    },
  },
};
const db: JsonObject = {
  Id: idOf('d'),
  Name: '/the-database',
  Created: '2026-01-01T00:00:02Z',
  Image: 'sha256:2',
  State: { Running: false },
  Config: { Hostname: 'dddddddddddd', Image: 'postgres', Labels: composeLabels('db') },
  HostConfig: { NetworkMode: 'shop_front' },
  Mounts: [],
  NetworkSettings: { Networks: { shop_front: { Aliases: ['db'] } } },
};
const side: JsonObject = {
  Id: idOf('5'),
  Name: '/shop-side-1',
  Created: '2026-01-01T00:00:00Z',
  Image: 'sha256:1',
  State: { Running: true },
  Config: { Hostname: 'shopfront', Image: 'nginx', ExposedPorts: { '80/tcp': {} }, Labels: composeLabels('side') },
  HostConfig: { NetworkMode: `container:${idOf('a')}`, VolumesFrom: [`${idOf('d')}:ro`] },
  Mounts: [],
  NetworkSettings: { Networks: {} },
};
const oneOff: JsonObject = {
  ...db,
  Id: idOf('0'),
  Name: '/shop-db-run-1',
  Config: { Labels: composeLabels('db', { [`${LABEL}.oneoff`]: 'True' }) },
};

const state: EngineState = {
  engine: { version: { Version: '20.10.24', ApiVersion: '1.41' } },
  containers: [side, web, db, oneOff],
  volumes: [
    {
      Name: 'shop_media',
      Driver: 'local',
      Labels: { [`${LABEL}.project`]: 'shop', [`${LABEL}.volume`]: 'media', [`${LABEL}.config-hash`]: 'x', mine: 'yes' },
    },
    { Name: 'outside', Driver: 'local', Labels: null, Options: { type: 'none', o: 'bind', device: '/mnt/shared' } },
    { Name: ANONYMOUS, Driver: 'local', Labels: null },
    { Name: 'nobodys', Driver: 'local', Labels: null },
  ],
  networks: [
    {
      Name: 'shop_front',
      Id: idOf('f'),
      Driver: 'bridge',
      IPAM: { Config: [{ Subnet: '10.0.0.0/24' }] },
      Labels: { [`${LABEL}.project`]: 'shop', [`${LABEL}.network`]: 'front' },
    },
    { Name: 'proxy', Id: idOf('e'), Driver: 'bridge', IPAM: { Config: [{ Subnet: '172.18.0.0/16' }] }, Labels: {} },
    { Name: 'bridge', Id: idOf('b'), Driver: 'bridge' },
  ],
  images: [{ Id: 'sha256:1', RepoTags: ['nginx:latest'], RepoDigests: ['nginx@sha256:9'] }],
};

const options = (more: Partial<RecreationOptions> = {}): RecreationOptions => ({
  project: { from: 'shop', to: 'shop' },
  directory: { from: '/srv/shop', to: '/srv/shop' },
  binds: [],
  beside: false,
  ...more,
});
const beside = options({ project: { from: 'shop', to: 'copy' }, directory: { from: '/srv/shop', to: '/srv/copy' }, beside: true });

interface Body {
  readonly create: { readonly Labels: Readonly<Record<string, string>>; readonly HostConfig: JsonObject; readonly [key: string]: unknown };
  readonly endpoints: readonly { readonly network: string; readonly settings: JsonObject }[];
}
const bodyOf = (containers: readonly RecreatedContainer[], name: string): Body =>
  containers.find((one) => one.name === name)?.body as unknown as Body; // as createContainer reads it

test('containers come after those that they build on, without one-off ones, each as it was recorded', () => {
  const { containers, changes } = recreation(state, options());
  expect(containers.map(({ name }) => name)).toEqual(['the-database', 'shop-web-1', 'shop-side-1']);
  expect(containers[1]).toMatchObject({
    service: 'web',
    image: 'nginx',
    imageTags: ['nginx:latest'],
    imageDigests: ['nginx@sha256:9'],
    wasRunning: true,
    dependsOn: ['db'],
  });
  expect(changes).toEqual([expect.stringContaining('side builds on another container')]);
  const { create, endpoints } = bodyOf(containers, 'shop-web-1');
  expect(create).toMatchObject({
    Hostname: 'shopfront',
    Labels: composeLabels('web'),
    HostConfig: { PortBindings: { '80/tcp': [{ HostPort: '8080' }] } },
  });
  expect(create.HostConfig['Binds']).toEqual(['shop_media:/media:rw', '/srv/shop/conf:/conf:ro', '/dev/log:/dev/log:rw']);
  expect(endpoints).toMatchObject([
    { network: 'shop_front', settings: { Aliases: ['www'], Links: ['the-database:db'], IPAMConfig: { IPv4Address: '10.0.0.9' } } },
    { network: 'proxy', settings: { Aliases: ['shop-web-1', 'web'] } },
  ]);
});

test('a volume without a name keeps the one that the engine gave it, and a host name that is only an id goes', () => {
  const { containers, volumes } = recreation(state, options());
  expect(bodyOf(containers, 'shop-web-1').create.HostConfig['Mounts']).toContainEqual({
    Type: 'volume',
    Source: ANONYMOUS,
    Target: '/scratch',
    ReadOnly: false,
  });
  expect(volumes.map(({ name }) => name)).toContain(ANONYMOUS);
  expect(bodyOf(containers, 'the-database').create).not.toHaveProperty('Hostname');
});

test('who shares the network of another container names that one, and exposes and is called nothing itself', () => {
  const { create, endpoints } = bodyOf(recreation(state, options()).containers, 'shop-side-1');
  expect(create.HostConfig).toMatchObject({ NetworkMode: 'container:shop-web-1', VolumesFrom: ['the-database:ro'] });
  expect(create).not.toHaveProperty('ExposedPorts');
  expect(create).not.toHaveProperty('Hostname');
  expect(endpoints).toEqual([]);
});

test('volumes keep driver, options and labels, but not the hash that lets Compose ask to delete them', () => {
  const { volumes } = recreation(state, options());
  expect(volumes.find(({ composeKey }) => composeKey === 'media')?.body).toEqual({
    Name: 'shop_media',
    Driver: 'local',
    DriverOpts: {},
    Labels: { [`${LABEL}.project`]: 'shop', [`${LABEL}.volume`]: 'media', mine: 'yes' },
  });
  expect(volumes.find(({ name }) => name === 'outside')?.body).toMatchObject({ DriverOpts: { o: 'bind', device: '/mnt/shared' } });
  expect(volumes.map(({ name }) => name)).not.toContain('nobodys');
});

test('only addresses that somebody chose hold a network to its own', () => {
  const { networks } = recreation(state, options());
  expect(networks.map(({ name, body }) => [name, body['addressesMayChange']])).toEqual([
    ['proxy', true],
    ['shop_front', false],
  ]);
});

test('in another directory binds and the labels that Compose finds its files by are moved', () => {
  const moved = options({ directory: { from: '/srv/shop', to: '/home/me/shop' }, binds: [{ from: '/srv/shop/conf', to: '/elsewhere' }] });
  const { containers } = recreation(state, moved);
  const { create } = bodyOf(containers, 'shop-web-1');
  expect(create.HostConfig['Binds']).toEqual(['shop_media:/media:rw', '/elsewhere:/conf:ro', '/dev/log:/dev/log:rw']);
  expect(create.Labels).toMatchObject({
    [`${LABEL}.project.working_dir`]: '/home/me/shop',
    [`${LABEL}.project.config_files`]: '/home/me/shop/compose.yaml,/etc/compose.override.yaml',
  });
});

test('the relative file names of Compose 1 stay', () => {
  const version1 = {
    ...web,
    Config: {
      ...(web['Config'] as JsonObject),
      Labels: composeLabels('web', { [`${LABEL}.project.config_files`]: 'docker-compose.yml', [`${LABEL}.version`]: '1.29.2' }),
    },
  };
  const { containers } = recreation({ ...state, containers: [version1] }, options({ directory: { from: '/srv/shop', to: '/new' } }));
  expect(bodyOf(containers, 'shop-web-1').create.Labels).toMatchObject({
    [`${LABEL}.project.config_files`]: 'docker-compose.yml',
    [`${LABEL}.project.working_dir`]: '/new',
  });
});

test('beside the original nothing is shared with it and nothing fixed is taken, and each change is told', () => {
  const { containers, volumes, networks, changes } = recreation(state, beside);
  expect(containers.map(({ name }) => name)).toEqual(['copy-db-1', 'copy-web-1', 'copy-side-1']);
  const { create, endpoints } = bodyOf(containers, 'copy-web-1');
  expect(create).not.toHaveProperty('Hostname');
  expect(create.Labels).toMatchObject({ [`${LABEL}.project`]: 'copy', [`${LABEL}.project.working_dir`]: '/srv/copy' });
  expect(create.HostConfig).toMatchObject({
    NetworkMode: 'copy_front',
    PortBindings: {},
    Binds: ['copy_media:/media:rw', '/srv/copy/conf:/conf:ro', '/dev/log:/dev/log:rw'],
  });
  expect(endpoints.map(({ network, settings }) => [network, settings['IPAMConfig'], settings['Links']])).toEqual([
    ['copy_front', undefined, ['copy-db-1:db']],
    ['copy_proxy', undefined, []],
  ]);
  expect(endpoints[1]?.settings['Aliases']).toEqual(['copy-web-1', 'web']);
  const names = volumes.map(({ name }) => name);
  for (const name of ['shop_media', 'outside', ANONYMOUS]) expect(names).not.toContain(name);
  expect(volumes.find(({ recordedName }) => recordedName === 'outside')).toMatchObject({
    name: 'copy_outside',
    composeKey: null,
    body: { Driver: 'local', DriverOpts: {} },
  });
  expect(volumes.find(({ recordedName }) => recordedName === ANONYMOUS)?.name).toMatch(/^[0-9a-f]{64}$/);
  expect(networks.map(({ name, body }) => [name, ((body['create'] as JsonObject)['IPAM'] as JsonObject)['Config']])).toEqual([
    ['copy_front', []],
    ['copy_proxy', []],
  ]);
  expect(changes).toEqual(
    expect.arrayContaining([
      'published port 8080 of web is dropped',
      'host name shopfront of web is dropped',
      'address 10.0.0.9 of web in network shop_front is dropped',
      'container name the-database of db becomes copy-db-1',
      'external volume outside becomes copy_outside, a private copy',
      'external network proxy becomes copy_proxy, a private one',
      'web shares /dev/log with shop',
    ]),
  );
});
