import { once } from 'node:events';
import { chmod, chown } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect } from 'vitest';
import { docker, engineEnv, type TestProjectFolder, testEngine } from '../support/engine.ts';
import type { CommandOptions, CommandResult } from '../support/run-command.ts';
import { runJson } from '../support/run-cli.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** Of the databases in these tests: nothing else that is printed looks like it. */
export const PASSWORD = 'Xq7-not-a-word';

export interface Report extends CommandResult {
  readonly json: Readonly<Record<string, unknown>>;
  /** The error's message and hint, and those of all findings. */
  readonly says: string;
  /** `captured cold`, `failed` by component id. */
  readonly components: Readonly<Record<string, string>>;
  /** Of the snapshot that was made, null where none was. */
  readonly snapshot: { readonly name: string; readonly completeness: string } | null;
}

/** Runs the tool with `--json` against the test engine, and holds every answer to the contract of that option. */
export async function report(args: readonly string[], options: CommandOptions): Promise<Report> {
  const run = await runJson(args, { ...options, env: { ...engineEnv(), ...options.env } });
  const { json } = run;
  expect(json, run.stderr).toMatchObject({ schema: 1, ok: run.code === 0, exitCode: run.code, findings: expect.any(Array) as unknown });
  expect(run.stderr).not.toContain('This is a defect');
  if ('error' in json) {
    expect(run.code).not.toBe(0);
    expect(json['error']).toMatchObject({ code: expect.any(String) as unknown, message: expect.any(String) as unknown });
  }
  const told = [json['error'], ...(json['findings'] as readonly unknown[])]; // checked above
  const components = (json['components'] ?? []) as readonly Readonly<Record<string, string | null>>[]; // as the contract has it
  const reasons = components.map((component) => component['reason'] ?? '');
  return {
    ...run,
    says: [...told.map((one) => wordsOf(one)), ...reasons].join('\n'),
    components: Object.fromEntries(
      components.map((component) => [
        String(component['id']),
        `${component['outcome']}${component['consistency'] ? ` ${component['consistency']}` : ''}`,
      ]),
    ),
    snapshot: (json['snapshot'] ?? null) as Report['snapshot'], // as the contract has it
  };
}

function wordsOf(told: unknown): string {
  const { code, subject, message, hint } = (told ?? {}) as Readonly<Record<string, string | undefined>>; // an error or a finding
  return [code, subject, message, hint].filter((word) => word !== undefined).join(' ');
}

export async function backUp(project: TestProjectFolder, args: readonly string[] = [], options: CommandOptions = {}): Promise<Report> {
  return report(['backup', ...args], { cwd: project.directory, ...options });
}

/** Names of the project's snapshots that `list` shows, oldest first. */
export async function snapshotsOf(cwd: string, args: readonly string[] = []): Promise<readonly string[]> {
  const { json, code, stderr } = await report(['list', ...args], { cwd });
  expect(code, stderr).toBe(0);
  return (json['snapshots'] as readonly { readonly name: string }[]).map(({ name }) => name).toSorted(); // as the contract has it
}

/** Asks again and again, without a pause: each question takes its time. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition()));
}

export async function containerOf(project: TestProjectFolder, service: string): Promise<string> {
  return (await project.compose(['ps', '-aq', service])).stdout.trim();
}

export async function stateOf(project: TestProjectFolder, service: string): Promise<string> {
  return (await docker(['inspect', '--format', '{{.State.Status}}', await containerOf(project, service)])).stdout.trim();
}

export interface EngineProxy extends AsyncDisposable {
  readonly env: Readonly<Record<string, string>>;
  readonly socketPath: string;
  /** The engine is gone: every connection breaks, none is accepted any more. */
  kill(): Promise<void>;
  /** New connections are accepted and never answered. */
  hang(): void;
}

/** A socket of its own in front of the test engine, to be given to others or to break. `onRequest` gets the first line of what a client asks, before the engine does. */
export async function engineProxy(
  owner?: { readonly uid: number; readonly gid: number; readonly mode: number },
  onRequest?: (line: string) => void,
): Promise<EngineProxy> {
  const folder = await temporaryFolder('mcads-proxy-');
  const socketPath = join(folder.path, 'docker.sock');
  const open = new Set<Socket>();
  let silent = false;
  const server = createServer({ allowHalfOpen: true }, (client) => {
    open.add(client);
    client.once('close', () => open.delete(client));
    client.on('error', () => client.destroy());
    if (silent) return;
    const engine = connectToEngine();
    open.add(engine);
    engine.once('close', () => open.delete(engine));
    engine.on('error', () => client.destroy());
    client.once('close', () => engine.destroy());
    engine.once('close', () => client.destroy());
    if (onRequest !== undefined) {
      client.on('data', (bytes: Buffer) => {
        const line = /^(?:GET|HEAD|POST|PUT|DELETE) \S+ HTTP/.exec(bytes.subarray(0, 4096).toString('latin1'))?.[0];
        if (line !== undefined) onRequest(line);
      });
    }
    client.pipe(engine).pipe(client);
  });
  server.listen(socketPath);
  await once(server, 'listening');
  await chmod(folder.path, 0o755);
  await chmod(socketPath, owner?.mode ?? 0o600);
  if (owner !== undefined) await chown(socketPath, owner.uid, owner.gid);
  const kill = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of open) socket.destroy();
    await closed;
  };
  return {
    env: { DOCKER_HOST: `unix://${socketPath}` },
    socketPath,
    kill,
    hang: () => (silent = true),
    async [Symbol.asyncDispose]() {
      await kill();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function connectToEngine(): Socket {
  const address = new URL(testEngine().dockerHost);
  if (address.protocol === 'unix:') return connect({ path: address.pathname, allowHalfOpen: true });
  return connect({ host: address.hostname, port: Number(address.port), allowHalfOpen: true });
}

export interface HeldDump {
  /** Resolves when a dump of the database waits in its middle: after the data of its tables, before its end. `otherThan` names server processes (`1,2`) of an earlier one. */
  waits(otherThan?: string): Promise<void>;
  release(): Promise<void>;
}

/**
 * Makes the next dump of the service's `postgres` database wait in its middle: a sequence is read after all tables, and a session that is
 * about to drop it holds it.
 */
export async function holdDump(project: TestProjectFolder, service = 'db'): Promise<HeldDump> {
  const id = await containerOf(project, service);
  await psql(id, 'drop sequence if exists stopper; create sequence stopper');
  const hold = 'begin; drop sequence stopper; select pg_sleep(3600)';
  await docker(['exec', '-d', '-e', `PGPASSWORD=${PASSWORD}`, '-e', 'PGAPPNAME=holder', id, 'psql', '-U', 'postgres', '-c', hold]);
  const asks = async (condition: string): Promise<boolean> =>
    (await psql(id, `select exists (select from pg_stat_activity where ${condition})`)) === 't';
  await until(() => asks(`application_name = 'holder' and query like '%pg_sleep%' and wait_event = 'PgSleep'`));
  return {
    waits: (otherThan = '0') =>
      until(() =>
        asks(`wait_event_type = 'Lock' and query like '%stopper%' and application_name <> 'holder' and pid not in (${otherThan})`),
      ),
    async release() {
      await psql(id, `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'holder'`);
    },
  };
}

/** Unaligned output of statements in a container with PostgreSQL, as its superuser. */
export async function psql(container: string, sql: string, password = PASSWORD): Promise<string> {
  const args = ['exec', '-i', '-e', `PGPASSWORD=${password}`, container, 'psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1'];
  return (await docker([...args, '-U', 'postgres'], { input: sql })).stdout.trimEnd();
}

/** Waits inside the container until the server takes connections. */
export async function serverReady(container: string): Promise<void> {
  await docker(['exec', container, 'sh', '-c', 'until pg_isready -q -h 127.0.0.1; do :; done']);
}
