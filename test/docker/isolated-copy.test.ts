import { describe, expect, test } from 'vitest';
import { isolatedCopy } from '../../src/docker/isolated-copy.ts';
import type { JsonObject } from '../../src/domain/byte-stream.ts';
import type { CopyOptions, IsolatedCopy } from '../../src/domain/drill-ports.ts';

const OPTIONS: CopyOptions = {
  drill: '0123456789ab',
  project: 'shop',
  copy: 'shop-drill-0123456789ab',
  services: null,
  filledVolumes: new Set(['shop_media']),
  filledFolders: new Set(['/srv/shop/uploads']),
  files: new Set(['/srv/shop/one.conf']),
  memoryBytes: 1000,
};

interface Given {
  readonly id?: string;
  readonly service?: string;
  readonly config?: JsonObject;
  readonly host?: JsonObject;
  readonly mounts?: readonly JsonObject[];
  readonly labels?: Readonly<Record<string, string>>;
}

function container({ id = 'a'.repeat(64), service = 'web', config = {}, host = {}, mounts = [], labels = {} }: Given): JsonObject {
  const own = { 'com.docker.compose.project': 'shop', 'com.docker.compose.service': service, 'com.docker.compose.container-number': '1' };
  return {
    Id: id,
    Name: `/shop-${service}-1`,
    Image: 'sha256:1111',
    State: { Status: 'running', Running: true },
    Config: { Image: 'web:1', Env: ['A=1'], Hostname: id.slice(0, 12), Labels: { ...own, ...labels }, ...config },
    HostConfig: { NetworkMode: 'shop_default', ...host },
    Mounts: mounts,
    NetworkSettings: { Networks: { shop_default: { Aliases: [id.slice(0, 12), 'www'], IPAMConfig: { IPv4Address: '10.0.0.5' } } } },
  };
}

function copyOf(containers: readonly JsonObject[], options: Partial<CopyOptions> = {}): IsolatedCopy {
  return isolatedCopy({ engine: {}, containers, volumes: [], networks: [], images: [] }, { ...OPTIONS, ...options });
}

function bodyOf(copy: IsolatedCopy, index = 0): JsonObject & { readonly HostConfig: JsonObject } {
  return copy.containers[index]?.body as JsonObject & { readonly HostConfig: JsonObject }; // what the tests look into
}

describe('nothing leads out of a copy', () => {
  const dangerous: readonly (readonly [what: string, host: JsonObject, says: RegExp])[] = [
    ['published ports', { PortBindings: { '80/tcp': [{ HostPort: '8080' }] }, PublishAllPorts: true }, /published port 80\/tcp/],
    ['privileged mode', { Privileged: true }, /privileged mode/],
    ['devices', { Devices: [{ PathOnHost: '/dev/sda' }], DeviceCgroupRules: ['a *:* rwm'] }, /device \/dev\/sda/],
    ['GPUs', { DeviceRequests: [{ Driver: 'nvidia' }] }, /GPUs/],
    ['the host’s processes', { PidMode: 'host' }, /process namespace/],
    ['the host’s memory', { IpcMode: 'host' }, /IPC namespace/],
    ['the host’s network', { NetworkMode: 'host' }, /host's network/],
    ['capabilities', { CapAdd: ['SYS_ADMIN', 'CHOWN'] }, /capability SYS_ADMIN/],
    ['security options', { SecurityOpt: ['seccomp=unconfined', 'no-new-privileges'] }, /security option seccomp/],
    ['the way to the host', { ExtraHosts: ['host.docker.internal:host-gateway', 'db:10.0.0.1'] }, /host-gateway/],
    ['restarts', { RestartPolicy: { Name: 'always' }, AutoRemove: true }, /restart policy always/],
    ['a setting that nobody has thought of', { NewWayOut: 'yes', CgroupParent: '/', VolumesFrom: ['other'], Dns: ['1.1.1.1'] }, /^/],
  ];

  test.each(dangerous)('%s', (_, host, says) => {
    const copy = copyOf([container({ host })]);
    const { HostConfig: got } = bodyOf(copy);
    expect(got).toMatchObject({ Privileged: false, RestartPolicy: { Name: 'no' }, NetworkMode: copy.network.name });
    const allowed =
      'CapDrop GroupAdd Init ShmSize Tmpfs Ulimits Sysctls CapAdd SecurityOpt ExtraHosts ReadonlyRootfs Privileged RestartPolicy Memory PidsLimit CpuShares OomScoreAdj LogConfig NetworkMode Mounts';
    expect(Object.keys(got).filter((key) => !allowed.split(' ').includes(key))).toEqual([]);
    expect(got['CapAdd']).not.toContain('SYS_ADMIN');
    expect(JSON.stringify(got)).not.toMatch(/unconfined|host-gateway|\/dev\/sda/);
    expect(copy.changes.join('\n')).toMatch(says);
  });

  test('its only network is internal, without an address on the host; fixed addresses go, names stay', () => {
    const copy = copyOf([container({})]);
    expect(copy.network.body).toMatchObject({ Internal: true, Driver: 'bridge', Labels: { 'mcads.drill': OPTIONS.drill } });
    const networking = bodyOf(copy)['NetworkingConfig'];
    expect(networking).toEqual({ EndpointsConfig: { [copy.network.name]: { Aliases: ['web', 'shop-web-1', 'www'] } } });
  });

  test('no path of the host is mounted: held folders become volumes, held files are put in, the rest is named', () => {
    const copy = copyOf([
      container({
        mounts: [
          { Type: 'volume', Name: 'shop_media', Source: '/var/lib/docker/volumes/x', Destination: '/media', RW: true },
          { Type: 'bind', Source: '/srv/shop/uploads', Destination: '/uploads', RW: false },
          { Type: 'bind', Source: '/srv/shop/one.conf', Destination: '/etc/one.conf', RW: true },
          { Type: 'bind', Source: '/var/run/docker.sock', Destination: '/var/run/docker.sock', RW: true },
        ],
      }),
    ]);
    const mounts = bodyOf(copy).HostConfig['Mounts'] as readonly JsonObject[]; // as made above
    expect(mounts.map(({ Type, Target, ReadOnly }) => [Type, Target, ReadOnly])).toEqual([
      ['volume', '/media', false],
      ['volume', '/uploads', true],
    ]);
    for (const { Source: source } of mounts) expect(source).toMatch(/^shop-drill-0123456789ab_/);
    expect(copy.containers[0]?.files).toEqual([{ hostPath: '/srv/shop/one.conf', target: '/etc/one.conf' }]);
    expect(copy.changes).toEqual(['/var/run/docker.sock of the host, mounted at /var/run/docker.sock of web, is left out']);
    expect(JSON.stringify(copy.containers.map(({ body }) => body))).not.toContain('/srv/');
  });

  test('volumes of other projects and drivers become private local ones, the same one for all who share it', () => {
    const shared = { Type: 'volume', Name: 'everybody', Driver: 'nfs', Source: '', Destination: '/data', RW: true };
    const copy = copyOf([container({ service: 'a', mounts: [shared] }), container({ id: 'b'.repeat(64), service: 'b', mounts: [shared] })]);
    const made = copy.volumes.filter(({ recorded }) => recorded === 'everybody');
    expect(made).toMatchObject([{ body: { Driver: 'local', Labels: { 'mcads.drill': OPTIONS.drill } } }]);
    expect(made[0]?.body).not.toHaveProperty('DriverOpts');
    const sources = [0, 1].map((index) => (bodyOf(copy, index).HostConfig['Mounts'] as readonly JsonObject[])[0]?.['Source']); // as made above
    expect(sources).toEqual([made[0]?.name, made[0]?.name]);
  });

  test('memory is limited, and a smaller limit of its own is kept', () => {
    expect(bodyOf(copyOf([container({})])).HostConfig['Memory']).toBe(1000);
    expect(bodyOf(copyOf([container({ host: { Memory: 10 } })])).HostConfig['Memory']).toBe(10);
    expect(bodyOf(copyOf([container({ host: { Memory: 5000 } })])).HostConfig['Memory']).toBe(1000);
  });
});

describe('what a copy takes over', () => {
  test('images by id, the environment, settings of the tool, its own names in Compose', () => {
    const copy = copyOf([
      container({ labels: { 'mcads.assert.sql': 'select 1', 'com.docker.compose.project.working_dir': '/srv/shop', 'mcads.drill': 'x' } }),
    ]);
    expect(bodyOf(copy)).toMatchObject({ Image: 'sha256:1111', Env: ['A=1'] });
    const labels = bodyOf(copy)['Labels'] as Readonly<Record<string, string>>; // as made above
    expect(labels).toMatchObject({
      'mcads.drill': OPTIONS.drill,
      'mcads.assert.sql': 'select 1',
      'com.docker.compose.project': OPTIONS.copy,
    });
    expect(labels).not.toHaveProperty(['com.docker.compose.project.working_dir']);
  });

  test('only the services that were asked for, dependencies first', () => {
    const web = container({ labels: { 'com.docker.compose.depends_on': 'db:service_healthy:false' } });
    const db = container({ id: 'd'.repeat(64), service: 'db' });
    const one = container({ id: 'e'.repeat(64), service: 'once', labels: { 'com.docker.compose.oneoff': 'True' } });
    expect(copyOf([web, db, one]).containers.map(({ service }) => service)).toEqual(['db', 'web']);
    expect(copyOf([web, db], { services: new Set(['db']) }).containers.map(({ name }) => name)).toEqual(['shop-drill-0123456789ab-db-1']);
  });

  test('a network that is shared with another container is the copy’s container’s', () => {
    const db = container({ id: 'd'.repeat(64), service: 'db' });
    // An engine refuses what belongs to a network of one's own beside it.
    const config = { Hostname: 'shop.example', Domainname: 'example', ExposedPorts: { '80/tcp': {} }, StopSignal: 'SIGINT' };
    const web = container({ host: { NetworkMode: `container:${'d'.repeat(64)}`, ExtraHosts: ['a:10.0.0.1'], Dns: ['10.0.0.2'] }, config });
    const copy = copyOf([web, db]);
    for (const name of ['Hostname', 'Domainname', 'ExposedPorts']) expect(bodyOf(copy, 1)).not.toHaveProperty(name);
    for (const name of ['ExtraHosts', 'Dns']) expect(bodyOf(copy, 1).HostConfig).not.toHaveProperty(name);
    expect(bodyOf(copy, 1)['StopSignal']).toBe('SIGINT');
    expect(bodyOf(copy, 1).HostConfig['NetworkMode']).toBe('container:shop-drill-0123456789ab-db-1');
    expect(bodyOf(copy, 1)).not.toHaveProperty('NetworkingConfig');
  });
});
