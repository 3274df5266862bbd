import { describe, expect, test } from 'vitest';
import { createProject, testEngine } from '../support/engine.ts';
import { backUp, containerOf, PASSWORD, psql, report, serverReady } from './e2e-support.ts';

const COMPOSE = (): string => `
services:
  console:
    image: ${testEngine().images.postgres15}
    network_mode: service:db
    command: [sleep, infinity]
    init: true
  db:
    image: ${testEngine().images.postgres15}
    environment: { POSTGRES_PASSWORD: ${PASSWORD} }
    volumes: [data:/var/lib/postgresql/data]
volumes: { data: }
`;

describe("a service with the server's image in the server's network", () => {
  test('is taken for its client: every database is dumped once and comes back', async () => {
    await using project = await createProject({ 'compose.yaml': COMPOSE() });
    await project.compose(['up', '-d']);
    const db = await containerOf(project, 'db');
    await serverReady(db);
    await psql(db, 'create table predictions as select g as id from generate_series(1, 1000) g');
    const run = await backUp(project);
    expect(run.code, run.stderr).toBe(0);
    expect(run.components).toMatchObject({ 'database/db/postgres': 'captured dump', 'globals/db': 'captured dump' });
    expect(Object.keys(run.components).filter((id) => id.includes('console'))).toEqual([]);
    expect(run.says).toMatch(/database-client service console .*-console-1 is in the network of .*-db-1/);

    await psql(db, 'drop table predictions');
    const restored = await report(['restore', 'latest', '--yes'], { cwd: project.directory });
    expect(restored.code, restored.stderr).toBe(0);
    expect((await psql(db, 'select count(*) from predictions')).trim()).toBe('1000');
  });
});
