import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startPings } from '../../src/cli/ping.ts';
import type { Services } from '../../src/cli/services.ts';
import { Secret } from '../../src/domain/secret.ts';
import { McadsError } from '../../src/errors.ts';
import { REPORT } from '../report/fixtures.ts';
import { stored, CONFIG } from '../report/fake-events.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { startRun } from './fake-io.ts';
import { emptyPlan } from './plan-fixture.ts';
import { restoring } from './restore-fixture.ts';

const TOKEN = 'zq7-token-that-nobody-may-see';

/** A monitor that takes calls (or refuses, or never answers) and notes them. */
async function monitor(answer: number | 'silence' = 200) {
  const calls: string[] = [];
  const server = createServer((request, response) => {
    calls.push(`${request.method} ${request.url} ${request.headers.authorization ?? ''}`.trim());
    if (answer !== 'silence') response.writeHead(answer).end('OK');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // it listens on TCP
  return {
    calls,
    url: `http://127.0.0.1:${port}/${TOKEN}`,
    port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const GOOD = { ...REPORT, plan: emptyPlan(), outcomes: [stored(CONFIG, 10, 5, 'live')], findings: [] };

function backing(result: 'good' | 'partial' | McadsError): Partial<Services> {
  if (result instanceof McadsError) return { backup: async () => Promise.reject(result) };
  return { backup: async () => (result === 'good' ? GOOD : { ...REPORT, plan: emptyPlan() }) };
}

test.each([
  ['good', 0, ''],
  ['partial', 3, '/fail'],
  [new McadsError('engine-unreachable', 'no engine'), 20, '/fail'],
  [new TypeError('a defect') as McadsError, 1, '/fail'],
] as const)('a backup that ends %s (exit %i) calls start, then its end%s', async (result, code, path) => {
  await using heard = await monitor();
  const services = result instanceof TypeError ? { backup: async () => Promise.reject(result) } : backing(result);
  const run = startRun(['backup', '--ping', heard.url], services);
  expect(await run.exit).toBe(code);
  expect(heard.calls).toEqual([`GET /${TOKEN}/start`, `GET /${TOKEN}${path}`]);
});

test('a query stays behind the path, a login becomes a header', async () => {
  await using heard = await monitor();
  const address = `http://me:p%40ss@127.0.0.1:${heard.port}/push/?key=1`;
  await startRun(['backup', `--ping=${address}`], backing('good')).exit;
  const login = `Basic ${Buffer.from('me:p@ss').toString('base64')}`;
  expect(heard.calls).toEqual([`GET /push/start?key=1 ${login}`, `GET /push/?key=1 ${login}`]);
});

test('a monitor that refuses is a warning that changes no exit code, not even under --strict, and its address is never shown', async () => {
  await using heard = await monitor(500);
  const log: unknown[] = [];
  const services: Partial<Services> = {
    ...backing('good'),
    openLog: async () => ({
      path: '/l',
      write: (event) => log.push(event),
      end: (...end) => log.push(end),
      [Symbol.asyncDispose]: async () => {},
    }),
  };
  const run = startRun(['backup', '--strict', '--verbose', '--ping', heard.url], services);
  expect(await run.exit).toBe(0);
  expect(run.stderr()).toMatch(/warning.*ping start: the monitor was not told: HTTP 500[\s\S]*ping success/);
  expect(run.stdout() + run.stderr() + JSON.stringify(log)).not.toContain(TOKEN);

  const json = startRun(['backup', '--json', '--ping', heard.url], services);
  expect(await json.exit).toBe(0);
  expect(json.json()).toMatchObject({ ok: true, exitCode: 0, findings: [{ code: 'ping-failed' }, { code: 'ping-failed' }] });
  expect(json.stdout()).not.toContain(TOKEN);
});

test('where nobody listens, a failed backup stays what it is', async () => {
  const gone = await monitor();
  await gone[Symbol.asyncDispose]();
  const run = startRun(['backup', '--json', '--ping', gone.url], backing(new McadsError('locked', 'another run')));
  expect(await run.exit).toBe(11);
  expect(run.json()).toMatchObject({
    error: { code: 'locked' },
    findings: [{ subject: 'ping start', message: expect.stringContaining('ECONNREFUSED') }, { subject: 'ping fail' }],
  });
  expect(run.stdout()).not.toContain(TOKEN);
});

test('a monitor that never answers is not waited for beyond the limit', async () => {
  await using silent = await monitor('silence');
  const findings = await startPings(new Secret(silent.url), 30).end(0);
  expect(findings.map(({ message }) => message)).toEqual([
    'the monitor was not told: no answer within 0.03 s',
    'the monitor was not told: no answer within 0.03 s',
  ]);
});

test('the address may come from a file, and config show does not tell it', async () => {
  await using folder = await temporaryFolder();
  await using heard = await monitor();
  const path = join(folder.path, 'ping');
  await writeFile(path, `${heard.url}\n`);
  const io = { environment: { MCADS_PING_FILE: path } };
  expect(await startRun(['backup'], backing('good'), io).exit).toBe(0);
  expect(heard.calls).toHaveLength(2);
  for (const flags of [[], ['--json']]) {
    const shown = startRun(['config', 'show', ...flags], {}, io);
    expect(await shown.exit).toBe(0);
    expect(shown.stdout()).toContain('[secret]');
    expect(shown.stdout()).not.toContain(TOKEN);
  }
});

test('what is no address is refused without repeating it', async () => {
  const run = startRun(['backup', '--ping', `ftp://x/${TOKEN}`]);
  expect(await run.exit).toBe(2);
  expect(run.stderr()).toContain('--ping must be an address that begins with http:// or https://');
  expect(run.stderr()).not.toContain(TOKEN);
});

test('a dry run tells nobody', async () => {
  await using heard = await monitor();
  await startRun(['backup', '--dry-run', '--ping', heard.url], { plan: async () => emptyPlan() }).exit;
  expect(heard.calls).toEqual([]);
});

test('the monitor of the backups does not hear of a restore by hand; one that is named does', async () => {
  await using folder = await temporaryFolder();
  await using heard = await monitor();
  const { services } = restoring(folder.path);
  const io = { environment: { MCADS_PING: heard.url }, workingDirectory: folder.path };
  expect(await startRun(['restore', 'latest', '--yes'], services, io).exit).toBe(0);
  expect(heard.calls).toEqual([]);
  expect(await startRun(['restore', 'latest', '--yes', '--ping', heard.url], services, io).exit).toBe(0);
  expect(heard.calls).toHaveLength(2);
});

test('the command that a question is answered by does not repeat the address', async () => {
  await using folder = await temporaryFolder();
  await using heard = await monitor();
  const { services } = restoring(folder.path);
  for (const words of [['--ping', heard.url], [`--ping=${heard.url}`]]) {
    const run = startRun(['restore', 'latest', ...words], services, { workingDirectory: folder.path });
    expect(await run.exit).toBe(2);
    expect(run.stderr()).toMatch(/restore latest --ping[ =]URL --yes/);
    expect(run.stderr()).not.toContain(TOKEN);
  }
});
