import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { docker, engineEnv } from '../support/engine.ts';
import { startCli } from '../support/paced-cli.ts';
import { containerOf, engineProxy, psql, serverReady, stateOf } from '../engine/e2e-support.ts';
import { report, snapshotOf, startShop, type Shop } from '../engine/restore-support.ts';

let shop: Shop;
beforeEach(async () => {
  shop = await startShop();
});
afterEach(async () => shop[Symbol.asyncDispose]());

const inWeb = async (command: string): Promise<string> =>
  (await docker(['exec', await containerOf(shop.folder, 'web'), 'sh', '-c', command])).stdout.trim();
const inShop = async (sql: string): Promise<string> => psql(await containerOf(shop.folder, 'db'), `\\c shop\n${sql}`);
const ask = (args: readonly string[]): ReturnType<typeof report> => report(args, { cwd: shop.directory, env: shop.env });

/** A restore that is killed when it asks the engine to stop or start the web service. */
async function restoreKilledAt(verb: 'stop' | 'start', args: readonly string[]): Promise<void> {
  const pattern = new RegExp(`^POST \\S+/containers/${await containerOf(shop.folder, 'web')}/${verb}\\b`);
  let kill = (): void => undefined;
  await using proxy = await engineProxy(undefined, (line) => {
    if (pattern.test(line)) kill();
  });
  const run = startCli(['restore', ...args, '--yes'], { cwd: shop.directory, env: { ...shop.env, ...proxy.env } });
  kill = () => run.signal('SIGKILL');
  const { code, stderr } = await run.end;
  expect(code, stderr).toBe(null);
}

/** A request that starts a container of the service. */
function isOfService(request: string, service: string): boolean {
  const id = /^POST \S+\/containers\/(\w+)\/start/.exec(request)?.[1];
  if (id === undefined) return false;
  const inspect = ['inspect', '--format', '{{.Name}}', id];
  return execFileSync('docker', inspect, { encoding: 'utf8', env: { ...process.env, ...engineEnv() } }).includes(`-${service}-1`);
}

/** As a power cut leaves what has no restart policy. */
async function cutPower(): Promise<void> {
  for (const service of ['db', 'web']) await docker(['kill', await containerOf(shop.folder, service)]).catch(() => undefined);
}

const BOTH = ['--component', 'database/db/shop', '--component', 'volume/media'];

test('a restore onto a server that did not run, undone: it does not run again, and has no role more', async () => {
  await inWeb('touch /media/broken');
  await inShop('create role extra login');
  const snapshot = await snapshotOf(shop);
  await inWeb('rm /media/broken');
  await inShop('drop role extra; delete from orders where id > 10');
  await shop.folder.compose(['stop', 'db'], { env: shop.env });
  const failed = await ask(['restore', snapshot, '--yes', '--no-safety-backup']);
  expect(failed.code, failed.stderr).toBe(40);
  expect(failed.json['error']).toMatchObject({ message: expect.stringContaining('web') as string });
  expect(failed.json).toMatchObject({ rolledBack: true });
  expect([await stateOf(shop.folder, 'db'), await stateOf(shop.folder, 'web')]).toEqual(['exited', 'running']);
  await shop.folder.compose(['start', 'db'], { env: shop.env });
  await serverReady(await containerOf(shop.folder, 'db'));
  expect(await inShop("select count(*) from pg_roles where rolname = 'extra'")).toBe('0');
  expect(await inShop('select count(*) from orders')).toBe('10');
  expect(await inWeb('ls /media')).not.toContain('broken');
});

test('killed in the swap, and all services with it: what ran runs again on what was there before', async () => {
  const snapshot = await snapshotOf(shop);
  await inShop('delete from orders where id > 10');
  await restoreKilledAt('stop', [snapshot, ...BOTH]);
  await cutPower();
  const recovered = await ask(['recover']);
  expect(recovered.code, recovered.stderr).toBe(0);
  expect([await stateOf(shop.folder, 'db'), await stateOf(shop.folder, 'web')]).toEqual(['running', 'running']);
  await serverReady(await containerOf(shop.folder, 'db'));
  expect(await inShop('select count(*) from orders')).toBe('10');
});

test('killed when services were started, and they with it: it is finished, what ran runs, and rollback goes back', async () => {
  const snapshot = await snapshotOf(shop);
  await inShop('delete from orders where id > 10');
  await restoreKilledAt('start', [snapshot, ...BOTH]);
  await cutPower();
  const recovered = await ask(['recover']);
  expect(recovered.code, recovered.stderr).toBe(0);
  expect(recovered.stdout).toContain('was proven, so it is brought to its end');
  expect([await stateOf(shop.folder, 'db'), await stateOf(shop.folder, 'web')]).toEqual(['running', 'running']);
  await serverReady(await containerOf(shop.folder, 'db'));
  expect(await inShop('select count(*) from orders')).toBe('2000');
  expect((await ask(['rollback', '--yes'])).code).toBe(0);
  expect(await inShop('select count(*) from orders')).toBe('10');
});

test('killed in the build: the next command undoes it without stopping anything', async () => {
  const snapshot = await snapshotOf(shop);
  const web = await containerOf(shop.folder, 'web');
  const startedAt = async (): Promise<string> => (await docker(['inspect', '--format', '{{.State.StartedAt}}', web])).stdout;
  const before = await startedAt();
  let commands = 0;
  let kill = (): void => undefined;
  await using proxy = await engineProxy(undefined, (line) => {
    commands += /^POST \S+\/exec\b/.test(line) ? 1 : 0;
    if (commands === 30) kill();
  });
  const run = startCli(['restore', snapshot, '--yes', ...BOTH, '--no-safety-backup'], {
    cwd: shop.directory,
    env: { ...shop.env, ...proxy.env },
  });
  await run.line(/building beside/);
  kill = () => run.signal('SIGKILL');
  commands = 29;
  expect((await run.end).code).toBe(null);
  expect((await ask(['list'])).code).toBe(0);
  expect(await startedAt()).toBe(before);
  expect(await inShop('select count(*) from orders')).toBe('2000');
});

test('on an empty engine, killed when services start: what people do from then on is theirs', async () => {
  const snapshot = await snapshotOf(shop);
  await shop.folder.compose(['down', '--volumes'], { env: shop.env });
  const run = startCli(['--verbose', 'restore', snapshot, '--yes'], {
    cwd: shop.directory,
    env: { ...process.env, ...engineEnv(), ...shop.env },
  });
  await run.line(/service \S*web\S* starting/);
  run.signal('SIGKILL');
  await run.end;
  await shop.folder.compose(['up', '-d', '--wait'], { env: shop.env });
  await inShop("insert into orders (what) values ('since')");
  await inWeb('echo since > /media/since.txt');
  const next = await ask(['backup']);
  expect(next.code, next.stderr).toBe(0);
  expect(next.says).toContain('was proven, so it is brought to its end');
  expect(await inShop("select count(*) from orders where what = 'since'")).toBe('1');
  expect(await inWeb('cat /media/since.txt')).toBe('since');
});

test('on an empty engine, killed before all is proven: what people have started on it since is neither put back nor removed', async () => {
  const snapshot = await snapshotOf(shop);
  await shop.folder.compose(['down', '--volumes'], { env: shop.env });
  let kill = (): void => undefined;
  await using proxy = await engineProxy(undefined, (line) => {
    if (isOfService(line, 'db')) kill();
  });
  const run = startCli(['restore', snapshot, '--yes'], { cwd: shop.directory, env: { ...shop.env, ...proxy.env } });
  kill = () => run.signal('SIGKILL');
  const { code, stderr } = await run.end;
  expect(code, stderr).toBe(null);
  await shop.folder.compose(['up', '-d', '--wait'], { env: shop.env });
  await inWeb('echo since > /media/since.txt');
  const next = await ask(['backup']);
  expect(next.code, next.stderr).toBe(3);
  expect(next.snapshot?.completeness).toBe('partial');
  expect(next.says).toMatch(/not-undone .*ran by now, so what the broken-off restore had made is left as it is/);
  expect(await inWeb('cat /media/since.txt')).toBe('since');
  await shop.folder.compose(['down', '--volumes'], { env: shop.env });
  expect((await ask(['recover'])).code).toBe(0);
});

test('on an empty engine: a volume that somebody makes meanwhile stays', async () => {
  const snapshot = await snapshotOf(shop);
  await shop.folder.compose(['down', '--volumes'], { env: shop.env });
  const volume = `${shop.name}_media`;
  let done = false;
  await using proxy = await engineProxy(undefined, (line) => {
    if (done || !/^POST \S+\/networks\/create/.test(line)) return;
    done = true;
    execFileSync('docker', ['volume', 'create', volume], { env: { ...process.env, ...engineEnv() } });
  });
  const failed = await report(['restore', snapshot, '--yes'], { cwd: shop.directory, env: { ...shop.env, ...proxy.env } });
  expect(failed.code, failed.stderr).not.toBe(0);
  expect(failed.says).toContain(`there is a volume ${volume} already, which is not ours`);
  expect((await docker(['volume', 'inspect', '--format', '{{.Name}}', volume])).stdout.trim()).toBe(volume);
  expect((await docker(['ps', '-aq', '--filter', `label=com.docker.compose.project=${shop.name}`])).stdout).toBe('');
  await docker(['volume', 'rm', volume]);
});

test.each([
  ['the first thing is made', /^POST \S+\/networks\/create/, [], 0],
  ['all is made', /^POST \S+\/containers\/\w+\/start/, ['down', '--volumes'], 3], // its binds are restored by then, and somebody's services ran on them
])(
  'on an empty engine, killed when %s: what people make anew under the same names is theirs, also when it is stopped',
  async (_, request, clearing, exit) => {
    const snapshot = await snapshotOf(shop);
    await shop.folder.compose(['down', '--volumes'], { env: shop.env });
    let kill = (): void => undefined;
    await using proxy = await engineProxy(undefined, (line) => {
      if (request.test(line) && (clearing.length === 0 || isOfService(line, 'db'))) kill();
    });
    const run = startCli(['restore', snapshot, '--yes'], { cwd: shop.directory, env: { ...shop.env, ...proxy.env } });
    kill = () => run.signal('SIGKILL');
    const { code, stderr } = await run.end;
    expect(code, stderr).toBe(null);
    if (clearing.length > 0) await shop.folder.compose(clearing, { env: shop.env });
    await shop.folder.compose(['up', '-d', '--wait'], { env: shop.env });
    await inWeb('echo since > /media/since.txt');
    await shop.folder.compose(['stop'], { env: shop.env });
    const recovered = await ask(['recover']);
    expect(recovered.code, recovered.stderr).toBe(exit);
    await shop.folder.compose(['start'], { env: shop.env });
    expect(await inWeb('cat /media/since.txt')).toBe('since');
  },
);
