import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPostgresAdapter } from '../../src/databases/postgres.ts';
import type { TreeMount } from '../../src/domain/plan.ts';
import type { Engine } from '../../src/domain/ports.ts';
import { docker, testEngine } from '../support/engine.ts';
import { openTestEngine, startServer, testIo, waitReady, type TestServer } from './postgres-fixture.ts';

const adapter = createPostgresAdapter();
let engine: Engine;

beforeAll(async () => {
  engine = await openTestEngine();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

async function stateOf(server: TestServer, path = '') {
  const target = await server.target();
  const mount = target.container.mounts.find((one) => one.target === '/var/lib/postgresql/data');
  const data: TreeMount = { type: 'volume', name: mount?.name ?? '', driver: 'local', subpath: null };
  return adapter.coldState(target, data, path, testIo(engine, 'cold'));
}

describe.each(['postgres15', 'postgres17'] as const)('a stopped cluster of image %s', (image) => {
  it('is clean after a shutdown, unclean after a crash, and clean again after its recovery', async () => {
    await using server = await startServer(engine, testEngine().images[image]);
    const listing = await adapter.list(await server.target(), testIo(engine, 'cold'));
    await docker(['stop', server.name]);
    const clean = await stateOf(server);
    expect(clean).toMatchObject({ clean: true, detail: 'pg_control says: shut down' });
    expect(clean.facts['systemIdentifier']).toBe(listing.facts['systemIdentifier']);

    await docker(['start', server.name]);
    await waitReady(server.name);
    await server.psql('create table t as select 1 as a');
    await docker(['kill', '-s', 'KILL', server.name]);
    expect(await stateOf(server)).toMatchObject({ clean: false, detail: 'pg_control says: in production' });

    await docker(['start', server.name]);
    await waitReady(server.name);
    await docker(['stop', server.name]);
    expect((await stateOf(server)).clean).toBe(true);
  });
});

it('is found in a directory below its mount, and an empty one is no clean cluster', async () => {
  await using server = await startServer(engine, testEngine().images.postgres15, {
    environment: { PGDATA: '/var/lib/postgresql/data/deeper/pgdata' },
  });
  const target = await server.target();
  expect(adapter.dataDirectory(target.container)).toBe('/var/lib/postgresql/data/deeper/pgdata');
  await docker(['stop', server.name]);
  expect((await stateOf(server, 'deeper/pgdata')).clean).toBe(true);
  expect(await stateOf(server)).toMatchObject({ clean: false, detail: 'no cluster in its volume' });
});
