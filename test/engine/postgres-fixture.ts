import { homedir } from 'node:os';
import type { Verdict } from '../../src/domain/byte-stream.ts';
import type { Finding } from '../../src/domain/finding.ts';
import type { ComponentSettings } from '../../src/domain/plan.ts';
import type { CapturedDump, DatabaseIo, DatabaseTarget } from '../../src/domain/database-ports.ts';
import type { Engine } from '../../src/domain/ports.ts';
import { openEngine } from '../../src/docker/open-engine.ts';
import { docker, engineEnv, uniqueName } from '../support/engine.ts';
import { NO_SETTINGS } from '../support/project-builder.ts';

export interface TestServer extends AsyncDisposable {
  readonly name: string;
  /** Unaligned output of one or more statements. */
  psql(sql: string, database?: string): Promise<string>;
  /** Runs in the background; ends with the container. */
  psqlDetached(sql: string, database: string, environment?: Readonly<Record<string, string>>): Promise<void>;
  /** Asks again until the query says `t`. */
  until(sql: string, database?: string): Promise<void>;
  target(settings?: Partial<ComponentSettings>): Promise<DatabaseTarget>;
}

export async function openTestEngine(): Promise<Engine> {
  const environment = { ...process.env, ...engineEnv() };
  return openEngine({ environment, home: homedir(), context: null, ownVersion: '0.0.0' }, new AbortController().signal);
}

export interface ServerOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly arguments?: readonly string[];
  readonly command?: readonly string[];
  /** Commands go to a server whose first start is not over otherwise. */
  readonly waitReady?: boolean;
}

/** A server of its own, ready for connections; disposing removes it and its volume. */
export async function startServer(engine: Engine, image: string, options: ServerOptions = {}): Promise<TestServer> {
  const name = uniqueName('pg');
  const environment = { POSTGRES_PASSWORD: 'right', ...options.environment };
  const variables = Object.entries(environment).flatMap(([key, value]) => ['-e', `${key}=${value}`]);
  await docker([
    'run',
    '-d',
    '--network',
    'none',
    '--name',
    name,
    ...variables,
    ...(options.arguments ?? []),
    image,
    ...(options.command ?? []),
  ]);
  if (options.waitReady !== false) await waitReady(name);
  const signal = new AbortController().signal;
  const run = async (sql: string, database = 'postgres'): Promise<string> => {
    const args = [
      'exec',
      '-i',
      '-e',
      'PGPASSWORD=right',
      name,
      'psql',
      '-X',
      '-q',
      '-A',
      '-t',
      '-v',
      'ON_ERROR_STOP=1',
      '-U',
      'postgres',
      '-d',
      connect(database),
    ];
    return (await docker(args, { input: sql })).stdout.trimEnd();
  };
  return {
    name,
    psql: run,
    psqlDetached: async (sql, database, extra = {}) => {
      const more = Object.entries({ PGPASSWORD: 'right', ...extra }).flatMap(([key, value]) => ['-e', `${key}=${value}`]);
      await docker(['exec', '-d', ...more, name, 'psql', '-X', '-U', 'postgres', '-d', connect(database), '-c', sql]);
    },
    until: async (sql, database) => {
      while ((await run(sql, database)) !== 't');
    },
    target: async (settings = {}) => ({
      service: 'db',
      container: await engine.inspectContainer(name, signal),
      settings: { ...NO_SETTINGS, ...settings },
    }),
    [Symbol.asyncDispose]: async () => {
      await docker(['rm', '-f', '-v', name]);
    },
  };
}

export async function waitReady(name: string): Promise<void> {
  await docker(['exec', name, 'sh', '-c', 'until pg_isready -q -h 127.0.0.1; do sleep 0.05; done']);
}

export interface TestIo extends DatabaseIo {
  readonly warnings: readonly Finding[];
}

export function testIo(engine: Engine, runId: string, signal: AbortSignal = new AbortController().signal): TestIo {
  const warnings: Finding[] = [];
  return { engine, runId, signal, warnings, warn: (finding) => warnings.push(finding) };
}

export async function drain(dump: CapturedDump): Promise<{ readonly bytes: Buffer; readonly verdict: Verdict }> {
  const parts: Uint8Array[] = [];
  for await (const part of dump.stream.body) parts.push(part);
  return { bytes: Buffer.concat(parts), verdict: await dump.stream.done };
}

/** What came of a dump whose bytes may break off: its verdict's error. */
export async function failureOf(dump: CapturedDump): Promise<unknown> {
  const drained = (async () => {
    for await (const part of dump.stream.body) if (part.length < 0) break;
  })();
  await drained.catch(() => undefined); // the verdict is what counts
  return dump.stream.done.then(
    () => null,
    (error: unknown) => error,
  );
}

export async function* pieces(bytes: Buffer, size = 1 << 20): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function connect(database: string): string {
  return `dbname='${database.replaceAll(/[\\']/g, (char) => `\\${char}`)}'`;
}
