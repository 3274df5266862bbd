import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createProject } from '../support/engine.ts';

const example = join(import.meta.dirname, '../../compose/examples/mcads');

test('the MCADS example comes up healthy, with its seed data in every place', async () => {
  await using project = await createProject();
  await cp(example, project.directory, { recursive: true });
  const env = { COMPOSE_PROJECT_NAME: project.name, HTTP_PORT: '0' };
  await project.compose(['up', '-d', '--wait'], { env });

  const query = async (database: string, sql: string): Promise<string> => {
    const psql = ['exec', '-T', 'db', 'psql', '-U', 'mcads', '-At', '-d', database, '-c', sql];
    return (await project.compose(psql, { env })).stdout.trim();
  };
  expect(await query('mcads', 'SELECT count(*) FROM prediction')).toBe('10000');
  expect(await query('statistics', 'SELECT count(*) FROM daily_count')).toBe('365');

  const { stdout: address } = await project.compose(['port', 'nginx', '80'], { env });
  const site = `http://${address.trim()}`;
  expect(await (await fetch(`${site}/health`)).json()).toEqual({ database: true, models: ['densenet121.weights', 'resnet50.weights'] });
  const image = new Uint8Array(300_000).map((_, index) => index * 31);
  expect((await fetch(`${site}/upload/new.png`, { method: 'PUT', body: image })).status).toBe(201);
  expect(new Uint8Array(await (await fetch(`${site}/media/uploads/new.png`)).arrayBuffer())).toEqual(image);
});
