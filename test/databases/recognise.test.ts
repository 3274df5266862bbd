import { describe, expect, it } from 'vitest';
import { imageNames } from '../../src/databases/image-name.ts';
import { recogniseEngine } from '../../src/databases/recognise.ts';
import { container } from '../support/project-builder.ts';

function image(name: string, baked: Readonly<Record<string, string>> = {}, tags: readonly string[] = []) {
  return container('x', { image: name, imageTags: tags, imageDigests: [], imageEnvironment: baked });
}

describe('imageNames', () => {
  it.each([
    ['postgres', ['postgres']],
    ['postgres:15', ['postgres']],
    ['docker.io/library/postgres:15@sha256:0000', ['postgres']],
    ['localhost:5000/team/db:latest', ['team/db']],
    ['localhost/db', ['db']],
    ['ghcr.io/immich-app/postgres:14-vectorchord0.3', ['immich-app/postgres']],
    ['library/redis', ['redis']],
    [`sha256:${'ab'.repeat(32)}`, []],
    ['0123456789ab', []],
  ])('takes %s apart', (reference, names) => {
    expect(imageNames(image(reference))).toEqual(names);
  });

  it('finds the name of an image that runs by its id', () => {
    expect(imageNames(image(`sha256:${'ab'.repeat(32)}`, {}, ['registry.example.com:443/x/mysql:8']))).toEqual(['x/mysql']);
  });
});

describe('recogniseEngine', () => {
  it.each([
    ['mysql:8', 'mysql'],
    ['percona/percona-server:8', 'mysql'],
    ['bitnami/mariadb', 'mariadb'],
    ['lscr.io/linuxserver/mariadb:latest', 'mariadb'],
    ['mongo:7', 'mongodb'],
    ['redis:7-alpine', 'redis'],
    ['redis/redis-stack-server', 'redis'],
    ['valkey/valkey:8', 'valkey'],
    ['mcr.microsoft.com/mssql/server:2022-latest', 'mssql'],
    ['docker.elastic.co/elasticsearch/elasticsearch:8.1', 'elasticsearch'],
    ['opensearchproject/opensearch:2', 'opensearch'],
    ['influxdb:2', 'influxdb'],
    ['cassandra:5@sha256:00', 'cassandra'],
    ['clickhouse/clickhouse-server', 'clickhouse'],
    ['couchdb', 'couchdb'],
    ['neo4j:5', 'neo4j'],
    ['rabbitmq:3-management', 'rabbitmq'],
    ['quay.io/coreos/etcd:v3.5', 'etcd'],
  ])('recognises %s', (name, engine) => {
    expect(recogniseEngine(image(name))?.engine).toBe(engine);
  });

  it.each(['nginx', 'oliver006/redis_exporter', 'mongo-express', 'phpmyadmin', 'postgres:15', 'example/server', 'free'])(
    'leaves %s alone',
    (name) => {
      expect(recogniseEngine(image(name))).toBeNull();
    },
  );

  it('recognises images built from one by the variables baked into it', () => {
    expect(recogniseEngine(image('registry.example.com/team/cache', { REDIS_VERSION: '7.2' }))).toEqual({
      engine: 'redis',
      why: "REDIS_VERSION in the image's environment",
    });
  });
});
