import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { McadsError } from '../errors.ts';

/**
 * One writer per application directory, gone with its process. Decision: a listening socket in Linux' abstract namespace. It needs no folder
 * that may be written, is the same for every user, leaves nothing behind, and whoever comes second can ask who has it. Elsewhere: an open
 * transaction on a file in the temporary folder. Rejects `locked`.
 */
export async function lockDirectory(directory: string, purpose: string): Promise<AsyncDisposable> {
  const key = createHash('sha256').update(directory).digest('hex').slice(0, 32);
  return process.platform === 'linux'
    ? lockBySocket(`\0mcads-orchestrate-${key}`, directory, purpose)
    : lockByFile(join(tmpdir(), `mcads-${key}.lock`), directory);
}

async function lockBySocket(address: string, directory: string, purpose: string): Promise<AsyncDisposable> {
  const who = `${purpose}, process ${process.pid}, since ${new Date().toISOString()}`;
  const server = createServer((socket) => {
    socket.on('error', () => undefined); // whoever asked is gone
    socket.end(who);
  });
  try {
    server.listen(address);
    await once(server, 'listening');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    throw locked(directory, await askHolder(address));
  }
  server.unref();
  return { [Symbol.asyncDispose]: async () => void server.close() };
}

async function askHolder(address: string): Promise<string> {
  const socket = connect(address);
  socket.setTimeout(2000, () => socket.destroy());
  return text(socket).catch(() => '');
}

/** Held against every process of this kernel, whatever namespaces it is in. Rejects `locked`. */
export async function lockByFile(path: string, directory: string): Promise<AsyncDisposable> {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch {
    database.close();
    throw locked(directory, '');
  }
  return { [Symbol.asyncDispose]: async () => database.close() };
}

function locked(directory: string, who: string): McadsError {
  return new McadsError('locked', `${directory} is being worked on${who === '' ? ' by another run' : `: ${who}`}`, {
    hint: 'wait until it is done, or end it',
  });
}
