import { printable } from './escape.ts';
import { eventLine } from './event-line.ts';
import { humanBytes, humanDuration } from './human.ts';
import { advance, secondsLeft, shareDone, startProgress } from './progress-state.ts';
import type { ComponentProgress, Doing } from './progress-state.ts';
import { SYSTEM_CLOCK } from './progress-view.ts';
import type { ProgressView, ViewClock, ViewStream } from './progress-view.ts';
import type { Style } from './style.ts';

const INTERVAL_MS = 10_000;

/** Lines for pipes and logs: what starts, what ends, and every ten seconds how far the running ones are. */
export function createPlainView(
  stream: ViewStream,
  style: Style,
  verbose: boolean,
  clock: ViewClock = SYSTEM_CLOCK,
  doing: Doing = 'capture',
): ProgressView {
  let state = startProgress(clock.now(), doing);
  let stage = { name: '', at: 0 };
  const toldAt = new Map<string, number>();
  const tell = (line: string): void => {
    stream.write(`${line}\n`);
  };
  return {
    show: (event) => {
      const now = clock.now();
      state = advance(state, event, now);
      const line = eventLine(event, style, verbose);
      if (line !== null) tell(line);
      if (event.type === 'stage' && (event.stage !== stage.name || now - stage.at >= INTERVAL_MS)) {
        stage = { name: event.stage, at: now };
        tell(style.dim(printable(state.stage)));
      }
      if (event.type === 'planned' && event.components.length > 0) tell(`${event.components.length} components to ${doing}`);
      if (event.type === 'component-started') {
        toldAt.set(event.id, now);
        if (verbose) tell(`› ${printable(event.id)}  started`);
      }
      if (event.type === 'component-progress' && now - (toldAt.get(event.id) ?? 0) >= INTERVAL_MS) {
        toldAt.set(event.id, now);
        const one = state.components.get(event.id);
        if (one !== undefined) tell(progressLine(one));
      }
    },
    print: tell,
    pause: () => () => undefined,
    close: () => undefined,
  };
}

function progressLine(one: ComponentProgress): string {
  const share = shareDone(one);
  const left = secondsLeft(one);
  const parts = [
    humanBytes(one.bytes) + (share === null || one.expected === null ? '' : ` of ${humanBytes(one.expected)}`),
    ...(share === null ? [] : [`${Math.floor(share * 100)}%`]),
    ...(one.rate > 0 ? [`${humanBytes(one.rate)}/s`] : []),
    ...(left === null ? [] : [`${humanDuration(left)} left`]),
    ...(one.phase === '' ? [] : [printable(one.phase)]),
  ];
  return `› ${printable(one.id)}  ${parts.join(', ')}`;
}
