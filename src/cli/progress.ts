import type { Finding } from '../domain/finding.ts';
import type { EventSink, RunEvent } from '../domain/events.ts';
import { createLiveView } from '../report/live-view.ts';
import { createPlainView } from '../report/plain-view.ts';
import { createStyle, wantsColor } from '../report/style.ts';
import { SYSTEM_CLOCK } from '../report/progress-view.ts';
import type { ProgressView } from '../report/progress-view.ts';
import type { CommandContext } from './context.ts';
import { exitCodeOf, toMcadsError } from './exit-codes.ts';
import type { ExitCode } from './exit-codes.ts';
import type { ProjectContext } from './project-context.ts';
import type { LogFile } from './services.ts';
import type { Announcer } from './announcer.ts';

export interface OpenLog {
  /** `planned`: only once there is something to capture, so that a run which finds no project leaves no folder behind. */
  readonly when: 'now' | 'planned';
  open(): Promise<LogFile | null>;
}

/** What the log file says last of work that came to an end. */
export interface Ending {
  readonly exitCode: ExitCode;
  readonly findings: readonly Finding[];
}

/** Asks while the progress view leaves the terminal alone. */
export type Pause = <A>(ask: () => Promise<A>) => Promise<A>;

/**
 * Runs work with its subscribers: the progress view on stderr and, from the moment that components are planned, the log file.
 * Events before that moment are kept for it.
 */
export async function withProgress<T>(
  context: CommandContext,
  project: ProjectContext,
  openLog: OpenLog | null,
  work: (events: EventSink, pause: Pause) => Promise<T>,
  endingOf: (result: T) => Ending = () => ({ exitCode: 0, findings: [] }),
): Promise<T> {
  const view = openView(context, project);
  const giveBack = view === null ? () => undefined : takeOver(view, context.announcer);
  const early: (readonly [RunEvent, Date])[] = [];
  const opening: { log: Promise<LogFile | null> | null } = { log: null };
  let log: LogFile | null = openLog?.when === 'now' ? await openLog.open() : null;
  const isDue = progressPace();
  const events: EventSink = (event) => {
    // Told for every piece of data, hundreds of thousands of times in a run; the log has no use for it.
    if (event.type === 'component-progress') {
      if (view !== null && isDue(event.id, performance.now())) view.show(event);
      return;
    }
    view?.show(event);
    if (openLog === null) return;
    if (log !== null) return log.write(event, new Date());
    if (openLog.when === 'now') return;
    early.push([event, new Date()]);
    if (event.type === 'planned' && opening.log === null) {
      opening.log = openLog.open().then((opened) => {
        log = opened;
        for (const [one, at] of early.splice(0)) log?.write(one, at);
        return opened;
      });
      opening.log.catch(() => undefined); // awaited below
    }
  };
  let ending: Ending = { exitCode: 1, findings: [] };
  let failure: unknown = null;
  try {
    const result = await work(events, async (ask) => {
      const goOn = view?.pause();
      try {
        return await ask();
      } finally {
        goOn?.();
      }
    });
    ending = endingOf(result);
    return result;
  } catch (error) {
    failure = error;
    ending = { exitCode: exitCodeOf(toMcadsError(error, context.signal).code), findings: [] };
    throw error;
  } finally {
    giveBack();
    await endLog(log ?? (await opening.log), ending, failure);
  }
}

/** No faster than a live view draws its frames. */
const PROGRESS_MS = 100;

/** True where a component's progress was last shown so long ago that it is worth showing again. */
function progressPace(): (id: string, now: number) => boolean {
  const shownAt = new Map<string, number>();
  return (id, now) => {
    if (now - (shownAt.get(id) ?? Number.NEGATIVE_INFINITY) < PROGRESS_MS) return false;
    shownAt.set(id, now);
    return true;
  };
}

/** While a view draws, what others say on stderr goes through it. Returns how to end both. */
function takeOver(view: ProgressView, announcer: Announcer): () => void {
  const { say, release } = announcer;
  const giveBack = (): void => {
    announcer.say = say;
    announcer.release = release;
    view.close();
  };
  announcer.say = (line) => view.print(line);
  announcer.release = giveBack;
  return giveBack;
}

async function endLog(log: LogFile | null, { exitCode, findings }: Ending, failure: unknown): Promise<void> {
  if (log === null) return;
  for (const finding of findings) log.write({ type: 'finding', finding }, new Date());
  log.end(exitCode, failure);
  await log[Symbol.asyncDispose]();
}

function openView(context: CommandContext, project: ProjectContext): ProgressView | null {
  const { stderr } = context.io;
  const mode = context.quiet || context.json ? 'quiet' : project.config.settings.progress;
  const style = createStyle(wantsColor(stderr, context.options.flag('color'), context.io.environment), stderr.columns ?? 80);
  const verbose = context.options.flag('verbose');
  const doing = ['restore', 'rollback', 'drill'].includes(context.name) ? 'restore' : 'capture';
  switch (mode) {
    case 'quiet':
      return null;
    case 'plain':
      return createPlainView(stderr, style, verbose, SYSTEM_CLOCK, doing);
    case 'tty':
      return createLiveView(stderr, style, verbose, SYSTEM_CLOCK, doing);
    case 'auto':
      return stderr.isTTY === true && context.io.environment['TERM'] !== 'dumb'
        ? createLiveView(stderr, style, verbose, SYSTEM_CLOCK, doing)
        : createPlainView(stderr, style, verbose, SYSTEM_CLOCK, doing);
  }
}
