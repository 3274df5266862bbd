import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fastFolder } from './host-app.ts';
import { postgresPrograms } from './host-tools.ts';

const run = promisify(execFile);

/** A PostgreSQL server of this machine: superuser `postgres` by its socket, others by password over TCP. */
export interface HostServer extends AsyncDisposable {
  readonly port: number;
  /** Where its socket lies. */
  readonly folder: string;
  /** Unaligned output of one or more statements, as superuser. */
  psql(sql: string, database?: string): Promise<string>;
}

/** A cluster of its own, ready for connections; disposing stops and removes it. */
export async function startHostServer(): Promise<HostServer> {
  const programs = await postgresPrograms();
  if (programs === null) throw new Error('no PostgreSQL server is installed on this machine');
  const folder = fastFolder('mcads-pg-');
  const data = join(folder, 'data');
  // A server does not run as root.
  const user: { readonly uid?: number; readonly gid?: number } = process.getuid?.() === 0 ? await idsOf('postgres') : {};
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid ?? 0);
  const options = { ...user, cwd: folder, env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C.UTF-8' } };
  await run(
    join(programs, 'initdb'),
    ['-D', data, '-U', 'postgres', '--auth-local=trust', '--auth-host=scram-sha-256', '-E', 'UTF8', '--no-sync'],
    options,
  );
  const port = await freePort();
  writeFileSync(join(data, 'postgresql.auto.conf'), `port = ${port}\nunix_socket_directories = '${folder}'\nfsync = off\n`);
  const server = spawn(join(programs, 'postgres'), ['-D', data, '-c', 'listen_addresses=127.0.0.1'], { ...options, stdio: 'ignore' });
  const psql = async (sql: string, database = 'postgres'): Promise<string> => {
    const args = [
      '-X',
      '-q',
      '-A',
      '-t',
      '-v',
      'ON_ERROR_STOP=1',
      '-h',
      folder,
      '-p',
      String(port),
      '-U',
      'postgres',
      '-d',
      database,
      '-c',
      sql,
    ];
    return (await run('psql', args, { env: options.env })).stdout.trimEnd();
  };
  const stop = async (): Promise<void> => {
    const closed = once(server, 'close');
    if (server.exitCode === null && server.kill('SIGQUIT')) await closed;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await run('sh', ['-c', 'until pg_isready -q -h "$1" -p "$2"; do kill -0 "$3"; done', 'sh', folder, String(port), String(server.pid)], {
      timeout: 60_000,
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, folder, psql, [Symbol.asyncDispose]: stop };
}

async function idsOf(name: string): Promise<{ readonly uid: number; readonly gid: number }> {
  const [uid, gid] = (await Promise.all(['-u', '-g'].map((flag) => run('id', [flag, name])))).map(({ stdout }) => Number(stdout));
  return { uid: uid ?? 0, gid: gid ?? 0 };
}

/** Free a moment ago. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  const closed = once(probe, 'close');
  probe.close();
  await closed;
  return typeof address === 'object' && address !== null ? address.port : 0;
}
