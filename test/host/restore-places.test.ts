import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { HostApp, substituteSystemd } from '../support/host-app.ts';

function make(database: string): void {
  const open = new DatabaseSync(database);
  open.exec('create table kept(a); insert into kept values (1), (2)');
  open.close();
}

function addRow(database: string): void {
  const open = new DatabaseSync(database);
  open.exec('insert into kept values (3)');
  open.close();
}

function rows(database: string): number {
  const open = new DatabaseSync(database, { readOnly: true });
  const { count } = open.prepare('select count(*) as count from kept').get() as { count: number };
  open.close();
  return count;
}

function staging(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.includes('.mcads-restore-') && !name.includes('state'),
  );
}

test('a database in a folder of its own comes back where that folder is gone, and beside what else is in it', async () => {
  await using app = await HostApp.create();
  const data = join(app.directory, 'data');
  mkdirSync(join(data, 'deep'), { recursive: true });
  for (const name of ['shop.sqlite3', 'deep/other.sqlite3']) make(join(data, name));
  app.write('data/beside.txt', 'beside');
  const repository = join(app.base, 'repository');
  await app.run(['-r', repository, 'backup']);

  rmSync(data, { recursive: true });
  await app.run(['-r', repository, 'restore', 'latest', '--yes', '--keep-old', '0']);
  expect([rows(join(data, 'shop.sqlite3')), rows(join(data, 'deep/other.sqlite3'))]).toEqual([2, 2]);
  expect(readdirSync(data).toSorted()).toEqual(['beside.txt', 'deep', 'shop.sqlite3']);

  const elsewhere = join(app.base, 'elsewhere');
  mkdirSync(elsewhere);
  await app.run(['-r', repository, '--project-directory', elsewhere, 'restore', 'latest', '--yes', '--keep-old', '0']);
  expect(rows(join(elsewhere, 'data/deep/other.sqlite3'))).toBe(2);
  expect(staging(elsewhere)).toEqual([]);
});

test('a unit that does one thing and is over counts as started', async () => {
  await using app = await HostApp.create();
  const systemd = substituteSystemd(app, { 'job.service': 'activating' }, ['job.service']);
  app.write('mcads.yaml', 'host:\n  services: [job]\n');
  await app.run(['backup']);
  await app.run(['restore', 'latest', '--yes']);
  expect(systemd.calls()).toEqual(['stop job.service', 'start job.service']);
  expect(systemd.stateOf('job.service')).toBe('inactive');
});

test('of a template unit its instances that run are stopped and started; no template is asked about', async () => {
  await using app = await HostApp.create();
  const systemd = substituteSystemd(app, {
    'worker@a.service': 'active',
    'worker@b.c.service': 'active',
    'worker@off.service': 'inactive',
    'mcads.service': 'active',
  });
  app.write('mcads.yaml', "host:\n  services: ['worker@', mcads]\n");
  await app.run(['backup']);
  await app.run(['restore', 'latest', '--yes']);
  const ran = ['mcads.service', 'worker@a.service', 'worker@b.c.service'];
  expect(systemd.calls().toSorted()).toEqual([...ran.map((name) => `start ${name}`), ...ran.map((name) => `stop ${name}`)]);
  expect(ran.map((name) => systemd.stateOf(name))).toEqual(['active', 'active', 'active']);
});

test.for(['with GNU tar', 'without'])('databases with names that are not ASCII come back, %s', async (tar) => {
  await using app = await HostApp.createSmall();
  if (tar === 'without') app.program('tar', '#!/bin/sh\nexit 127\n');
  const names = ['données.sqlite3', 'база данных.db', "it's.sqlite3"];
  for (const name of names) make(join(app.directory, name));
  await app.run(['backup']);
  for (const name of names) rmSync(join(app.directory, name));
  await app.run(['restore', 'latest', '--yes']);
  expect(names.map((name) => rows(join(app.directory, name)))).toEqual([2, 2, 2]);
  addRow(join(app.directory, 'données.sqlite3'));
  await app.run(['restore', 'latest', '--yes']);
  expect(rows(join(app.directory, 'données.sqlite3'))).toBe(2);
  await app.run(['rollback', '--yes']);
  expect(rows(join(app.directory, 'données.sqlite3'))).toBe(3);
});
