import { expect, test } from 'vitest';
import type { ContainerJson } from '../../src/docker/engine-api.ts';
import { toDependsOn, toEngineContainer } from '../../src/docker/to-engine-container.ts';

const container: ContainerJson = {
  Id: 'c1',
  Name: '/shop-db-1',
  Created: '2026-01-01T00:00:00Z',
  Image: 'sha256:1',
  Path: 'docker-entrypoint.sh',
  Args: ['postgres'],
  State: { Status: 'running', Running: true, ExitCode: 0, StartedAt: 'a', FinishedAt: 'b', Health: { Status: 'healthy' } },
  Config: {
    Image: 'postgres:17',
    Env: ['A=1=2', 'EMPTY='],
    Labels: {
      'com.docker.compose.project': 'shop',
      'com.docker.compose.service': 'db',
      'com.docker.compose.container-number': '2',
      'com.docker.compose.oneoff': 'False',
      'com.docker.compose.depends_on': 'cache:service_healthy:true,queue:service_started:false',
    },
    ExposedPorts: { '5432/tcp': {} },
    StopTimeout: 60,
  },
  HostConfig: { Tmpfs: { '/run': '' }, Mounts: [{ Type: 'volume', Target: '/data/', VolumeOptions: { Subpath: 'pg' } }] },
  Mounts: [
    { Type: 'volume', Name: 'shop_data', Source: '/x', Destination: '/data', Driver: 'local', RW: true },
    { Type: 'bind', Source: '/etc/x', Destination: '/x', RW: false },
    { Type: 'tmpfs', Destination: '/scratch' },
    { Type: 'npipe', Source: 'p', Destination: '/p' },
  ],
};

test('a container is described from its inspect JSON and its image', () => {
  expect(
    toEngineContainer(container, { Id: 'sha256:1', RepoDigests: ['postgres@sha256:2'], Config: { Env: ['PG_MAJOR=17'] } }),
  ).toMatchObject({
    name: 'shop-db-1',
    project: 'shop',
    service: 'db',
    number: 2,
    oneOff: false,
    imageDigests: ['postgres@sha256:2'],
    imageEnvironment: { PG_MAJOR: '17' },
    health: 'healthy',
    environment: { A: '1=2', EMPTY: '' },
    tmpfs: ['/run', '/scratch'],
    exposedPorts: ['5432/tcp'],
    stopTimeoutSeconds: 60,
    command: ['docker-entrypoint.sh', 'postgres'],
    mounts: [
      { type: 'volume', name: 'shop_data', target: '/data', subpath: 'pg', readOnly: false },
      { type: 'bind', name: null, source: '/etc/x', readOnly: true, subpath: null },
      { type: 'tmpfs', target: '/scratch' },
      { type: 'other', target: '/p' },
    ],
  });
});

test('an image that is gone and labels that are missing leave gaps, no failure', () => {
  const bare = { ...container, Config: { Image: 'x' }, Mounts: null, HostConfig: {} };
  expect(toEngineContainer(bare, null)).toMatchObject({
    project: null,
    service: null,
    number: 1,
    imageTags: [],
    dependsOn: {},
    mounts: [],
    tmpfs: [],
  });
});

test('depends_on labels hold condition and restart; Compose 1 writes none', () => {
  expect(toDependsOn('a:service_completed_successfully:false,b')).toEqual({
    a: { condition: 'service_completed_successfully', restart: false },
    b: { condition: 'service_started', restart: false },
  });
  expect(toDependsOn('')).toEqual({});
});
