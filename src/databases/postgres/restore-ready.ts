import type { DatabaseIo, DatabaseTarget } from '../../domain/database-ports.ts';
import { McadsError, messageOf, stopsRun } from '../../errors.ts';
import { failed } from './failures.ts';
import { pause } from './restore-session.ts';
import { isMissing, runTool } from './run-tool.ts';
import { openServer, portOf, readinessHost } from './server.ts';

const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 2_000;

/**
 * Resolves when the server of a started container takes connections for good: the one that initialises a new cluster does not count.
 * Rejects `component-failed` when the container is down, when the time is over, or for what no waiting cures.
 */
export async function waitReady(target: DatabaseTarget, timeoutMs: number, io: DatabaseIo): Promise<void> {
  const limit = AbortSignal.timeout(timeoutMs);
  const bounded: DatabaseIo = { ...io, signal: AbortSignal.any([io.signal, limit]) };
  let lastWord = 'it gave no answer';
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    try {
      const now = await look(target, bounded);
      if (now.state === 'restarting') lastWord = `the container keeps restarting (exit code ${now.exitCode})`;
      else {
        const answer = await ask({ ...target, container: now }, bounded);
        if (answer === null) return;
        lastWord = answer;
      }
      await pause(wait, bounded.signal);
    } catch (error) {
      if (limit.aborted && !io.signal.aborted) {
        throw failed(
          target.service,
          `PostgreSQL in ${target.container.name} is not ready after ${Math.round(timeoutMs / 1000)} s: ${lastWord}`,
          target.container.reachedAt === undefined ? `docker logs ${target.container.name}` : "look at the server's log",
          error,
        );
      }
      throw error;
    }
  }
}

async function look(target: DatabaseTarget, io: DatabaseIo): Promise<DatabaseTarget['container']> {
  const now = await io.engine.inspectContainer(target.container.id, io.signal);
  if (now.state === 'running' || now.state === 'restarting') return now;
  throw failed(
    target.service,
    now.state === 'exited' || now.state === 'dead'
      ? `the container ${now.name} exited with code ${now.exitCode} before PostgreSQL was ready`
      : `the container ${now.name} is ${now.state}`,
    `docker logs ${now.name}`,
  );
}

/** Null when it is ready, else why it is not. */
async function ask(target: DatabaseTarget, io: DatabaseIo): Promise<string | null> {
  let listened = false;
  try {
    // Asked first: a server that listened already when it refused us will go on refusing.
    const probe = await runTool(io, target.container.id, [
      'pg_isready',
      '-h',
      readinessHost(target),
      '-p',
      String(portOf(target)),
      '-t',
      '5',
    ]);
    listened = probe.code === 0 && !isMissing(probe.code);
    const { session } = await openServer(target, io);
    try {
      await session.end();
    } finally {
      await session[Symbol.asyncDispose]();
    }
    return null;
  } catch (error) {
    if (io.signal.aborted || (error instanceof McadsError && (stopsRun(error) || (listened && error.code === 'component-failed'))))
      throw error;
    return messageOf(error);
  }
}
