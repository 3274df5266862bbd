import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EngineState } from '../../src/domain/engine-model.ts';
import { textAt } from '../../src/docker/recreation-json.ts';
import type { Engine } from '../../src/domain/ports.ts';
import type { Recreation, RecreationOptions } from '../../src/domain/restore.ts';
import { createProject, docker, engineEnv, uniqueName, type TestProjectFolder } from '../support/engine.ts';
import { openTestEngine, signal } from './docker-fixture.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openTestEngine();
});
afterAll(async () => engine[Symbol.asyncDispose]());

const FILE = `
x-sleep: &sleep {image: "\${WEB_IMAGE}", init: true, command: [sleep, infinity], stop_grace_period: 1s}
services:
  web:
    <<: *sleep
    depends_on: {db: {condition: service_healthy}, cache: {condition: service_started}}
    networks: {front: {aliases: [shop, www], ipv4_address: 10.213.77.10}, back: {}, outside: {}}
    ports: ['127.0.0.1::80', '9000']
    hostname: shopfront
    volumes:
      - media:/media
      - ./uploads:/uploads:ro
      - {type: volume, source: media, target: /raw, read_only: true, volume: {nocopy: true}}
      - {type: bind, source: ./conf, target: /conf}
      - /scratch
      - type: tmpfs
        target: /quick
        tmpfs: {size: 1048576}
    tmpfs: [/run/shop]
    links: [cache:memory]
    devices: [/dev/null:/dev/mynull]
    healthcheck: {test: [CMD, "true"], interval: 1s, retries: 7}
    restart: on-failure:3
    stop_signal: SIGUSR1
    cap_add: [NET_ADMIN]
    sysctls: {net.ipv4.ip_forward: 0}
    ulimits: {nofile: {soft: 1000, hard: 2000}}
    extra_hosts: ['far:10.1.2.3']
    secrets: [token]
    logging: {driver: json-file, options: {max-size: 1m}}
    mem_limit: 200m
    labels: {keep: "a,b=c"}
  db:
    <<: *sleep
    healthcheck: {test: [CMD, "true"], interval: 1s}
    container_name: \${FIXED_NAME}
    networks: [back]
    volumes: [outside:/data, 'named:/n', images-own:/var/spool]
  cache:
    <<: *sleep
    deploy: {replicas: 2}
    networks: {back: {}}
    volumes: [/var/cache]
  side:
    <<: *sleep
    network_mode: service:web
    pid: service:db
    volumes_from: [db:ro]
  alone: {<<: *sleep, network_mode: none}
  onhost: {<<: *sleep, network_mode: host}
volumes:
  media: {driver_opts: {type: none, o: bind, device: "\${PWD}/media"}, labels: {mine: yes}}
  named: {name: "\${FIXED_NAME}-volume"}
  images-own: {}
  outside: {external: true, name: "\${OUTSIDE}"}
networks:
  front: {ipam: {config: [{subnet: 10.213.77.0/24, gateway: 10.213.77.1}]}}
  back: {internal: true, driver_opts: {com.docker.network.bridge.enable_icc: 'true'}}
  outside: {external: true, name: "\${OUTSIDE}"}
secrets: {token: {file: ./token}}
`;

interface Shop extends AsyncDisposable {
  readonly folder: TestProjectFolder;
  readonly outside: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

async function openShop(): Promise<Shop> {
  const folder = await createProject({ 'compose.yaml': FILE, 'uploads/one': '1', 'conf/two': '2', 'media/three': '3', token: 'secret' });
  const outside = uniqueName('outside');
  await docker(['network', 'create', outside]);
  await docker(['volume', 'create', '--label', 'whose=not-ours', outside]);
  const env = { ...engineEnv(), FIXED_NAME: uniqueName('fixed'), OUTSIDE: outside, PWD: folder.directory };
  return { folder, outside, env, [Symbol.asyncDispose]: async () => folder[Symbol.asyncDispose]() };
}

async function capture(project: string): Promise<EngineState> {
  return engine.state(await engine.viewProject(project, signal), signal);
}

const sameName = ({ name, directory }: TestProjectFolder): RecreationOptions => ({
  project: { from: name, to: name },
  directory: { from: directory, to: directory },
  binds: [],
  beside: false,
});

async function make(recreation: Recreation): Promise<void> {
  for (const network of recreation.networks) await engine.createNetwork(network, signal);
  for (const volume of recreation.volumes) await engine.createVolume(volume, signal);
  for (const container of recreation.containers) await engine.createContainer(container, signal);
}

async function idsOf(project: string): Promise<readonly string[]> {
  const { stdout } = await docker([
    'ps',
    '--all',
    '--no-trunc',
    '--filter',
    `label=com.docker.compose.project=${project}`,
    '--format',
    '{{.ID}} {{.Names}}',
  ]);
  return stdout.split('\n').filter(Boolean).toSorted();
}

/** What the lasting containers are like, whatever their ids, addresses and times are. What says nothing is left out: engines write it as null or empty. */
async function likeness(project: string): Promise<Readonly<Record<string, unknown>>> {
  const { containers } = await capture(project);
  const ids = new Map(containers.map((json) => [textAt(json, 'Id'), textAt(json, 'Name')]));
  const named = (text: string): string =>
    [...ids].reduce((all, [id, name]) => all.replaceAll(id, name).replaceAll(id.slice(0, 12), name), text);
  const likes = containers
    .filter((json) => !textAt(json, 'Name').endsWith('-side-1'))
    .map((json) => {
      const { Config, HostConfig, Mounts, NetworkSettings } = json;
      const networks = Object.entries((NetworkSettings as { readonly Networks: Readonly<Record<string, object>> }).Networks); // inspect JSON
      const endpoints = networks.map(([network, endpoint]) => ({ network, ...endpoint, ...ADDRESSES }));
      // Volumes without a name in the file have one now; which one is where, `Mounts` tells.
      return { Name: textAt(json, 'Name'), Config, HostConfig: { ...(HostConfig as object), Mounts: null }, Mounts, endpoints };
    })
    .toSorted((a, b) => (a.Name < b.Name ? -1 : 1));
  return JSON.parse(named(JSON.stringify(likes)), plain) as Readonly<Record<string, unknown>>; // written here
}

const ADDRESSES = { NetworkID: null, EndpointID: null, Gateway: null, IPAddress: null, IPPrefixLen: null, MacAddress: null };

function plain(key: string, value: unknown): unknown {
  if (value === null || (typeof value === 'object' && Object.keys(value).length === 0)) return undefined;
  return key === 'Aliases' || key === 'Links' ? (value as readonly string[]).toSorted() : value; // inspect JSON
}

test('a project made again from its state is the same, and Compose takes it as its own', async () => {
  await using shop = await openShop();
  const { folder, env, outside } = shop;
  await folder.compose(['up', '--detach', '--wait'], { env });
  const before = await likeness(folder.name);
  const state = await capture(folder.name);
  await folder.compose(['down', '--volumes', '--timeout', '0'], { env });
  await docker(['volume', 'rm', outside]);
  await docker(['network', 'rm', outside]);
  const recreation = engine.recreation(state, sameName(folder));
  expect(recreation.changes).toEqual([expect.stringContaining('side builds on another container')]);
  await make(recreation);
  const made = await idsOf(folder.name);
  expect(made.length).toBe(7);
  const { stdout, stderr } = await folder.compose(['up', '--detach', '--wait'], { env });
  const told = `${stdout}${stderr}`.split('\n').filter((line) => !line.includes('-side-1'));
  expect(told.join('\n')).not.toMatch(/Recreate|Created|Creating|not created by|level=warn/);
  const isLasting = (line: string): boolean => !line.includes('-side-1');
  expect((await idsOf(folder.name)).filter(isLasting)).toEqual(made.filter(isLasting));
  expect(await likeness(folder.name)).toEqual(before);
});
