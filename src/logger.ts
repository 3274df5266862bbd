import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import pino from 'pino';
import type { LogFile } from './cli/services.ts';
import type { RunEvent } from './domain/events.ts';
import { McadsError, messageOf } from './errors.ts';

/**
 * Opens `<directory>/<command>_YYYYMMDD_HHMMSS.log` (mode 0600), one JSON object a line. Progress events are left out.
 * Rejects `forbidden` where the folder or file cannot be made.
 */
export async function openLog(directory: string, command: string, at: Date, version: string): Promise<LogFile> {
  const stamp = at.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '_');
  const path = join(directory, `${command}_${stamp}.log`);
  await create(directory, path);
  const destination = pino.destination({ dest: path, append: true, sync: true });
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
      destination.flushSync();
      destination.end();
    },
  };
}

async function create(directory: string, path: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await (await open(path, 'a', 0o600)).close();
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
