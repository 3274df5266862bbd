import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import pino from 'pino';
import type { LogFile } from './cli/services.ts';
import type { RunEvent } from './domain/events.ts';
import { McadsError, messageOf } from './errors.ts';

/**
 * Opens `<directory>/<command>_YYYYMMDD_HHMMSS.log` (mode 0600), one JSON object a line. Progress events are left out.
 * Rejects `forbidden` where the folder or file cannot be made. `onFailure` is told once when it cannot be written any more: no run fails for that.
 */
export async function openLog(
  directory: string,
  command: string,
  at: Date,
  version: string,
  onFailure: (why: string) => void,
): Promise<LogFile> {
  const stamp = at.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '_');
  const path = join(directory, `${command}_${stamp}.log`);
  const fd = await create(directory, path);
  const destination = pino.destination({ fd, sync: true });
  let hasFailed = false;
  destination.on('error', (error: Error) => {
    if (!hasFailed) onFailure(`the log file ${path} is not whole: ${error.message}`);
    hasFailed = true;
  });
  let happened: Date | null = null;
  const logger = pino(
    {
      level: 'debug',
      base: { pid: process.pid, command, version },
      timestamp: () => `,"time":"${(happened ?? new Date()).toISOString()}"`,
    },
    destination,
  );
  return {
    path,
    write: (event, at) => {
      happened = at;
      writeEvent(logger, event);
      happened = null;
    },
    end: (exitCode, error) => {
      if (error === null) logger.info({ exitCode }, 'finished');
      else logger.error({ exitCode, ...errorFields(error) }, messageOf(error));
    },
    [Symbol.asyncDispose]: async () => {
      try {
        if (!hasFailed) destination.flushSync();
      } catch (error) {
        onFailure(`the log file ${path} is not whole: ${messageOf(error)}`);
      } finally {
        closeSync(fd);
      }
    },
  };
}

/** The folder may be one that others write into: no link of theirs is followed, no file of theirs added to. */
async function create(directory: string, path: string): Promise<number> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = constants;
    const fd = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
    const { nlink, uid } = fstatSync(fd);
    if (nlink !== 1 || (process.geteuid !== undefined && uid !== process.geteuid())) {
      closeSync(fd);
      throw new Error('a file of that name belongs to somebody else');
    }
    return fd;
  } catch (error) {
    throw new McadsError('forbidden', `the log file ${path} cannot be made: ${messageOf(error)}`, {
      cause: error,
      hint: 'name another folder with --log-dir DIR',
    });
  }
}

function writeEvent(logger: pino.Logger, event: RunEvent): void {
  switch (event.type) {
    case 'component-progress':
      return;
    case 'log':
      return logger[event.level](event.fields ?? {}, event.message);
    case 'finding': {
      const level = { info: 'info', warning: 'warn', error: 'error' } as const;
      return logger[level[event.finding.severity]]({ finding: event.finding }, event.finding.message);
    }
    case 'component-finished': {
      const { outcome } = event;
      const reason = outcome.status === 'failed' || outcome.status === 'skipped' ? outcome.reason : undefined;
      const bytes = 'details' in outcome ? outcome.details.bytes : undefined;
      return logger[outcome.status === 'failed' ? 'error' : 'info'](
        { id: outcome.id, outcome: outcome.status, seconds: event.seconds, bytes, reason },
        `${outcome.id} ${outcome.status}`,
      );
    }
    case 'stage':
    case 'planned':
    case 'component-started':
    case 'component-restored':
    case 'service':
    case 'undone': {
      const { type, ...fields } = event;
      return logger.info(fields, type);
    }
  }
}

function errorFields(error: unknown): Readonly<Record<string, unknown>> {
  if (!(error instanceof McadsError)) return { stack: error instanceof Error ? error.stack : undefined };
  const cause = error.cause instanceof Error ? error.cause.stack : undefined;
  return { code: error.code, hint: error.hint, where: error.where, context: error.context, stack: error.stack, cause };
}
