import { stripVTControlCharacters } from 'node:util';
import { displayWidth } from './escape.ts';
import { eventLine } from './event-line.ts';
import { liveFrame } from './live-frame.ts';
import { advance, startProgress } from './progress-state.ts';
import { SYSTEM_CLOCK } from './progress-view.ts';
import type { Doing } from './progress-state.ts';
import type { ProgressView, ViewClock, ViewStream } from './progress-view.ts';
import type { Style } from './style.ts';

const FRAME_MS = 120;
const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
/** DEC synchronized output: terminals that know it show each frame whole, others ignore it. */
const BEGIN_FRAME = '\x1b[?2026h';
const END_FRAME = '\x1b[?2026l';

/**
 * The live view of a terminal: finished components scroll away above, running ones are redrawn in place, each frame in one
 * write. Lines never wrap, so going up by their number is exact; after a resize the old frame is cleared from where its
 * re-wrapped lines may begin.
 */
export function createLiveView(
  stream: ViewStream,
  style: Style,
  verbose: boolean,
  clock: ViewClock = SYSTEM_CLOCK,
  doing: Doing = 'capture',
): ProgressView {
  let state = startProgress(clock.now(), doing);
  let drawn: readonly number[] = [];
  let pending: string[] = [];
  let last = '';
  let closed = false;
  let paused = false;
  const size = (): Style => ({ ...style, width: Math.max(20, stream.columns ?? style.width) });
  const erase = (width: number): string => {
    const lines = drawn.reduce((sum, length) => sum + Math.max(1, Math.ceil(length / width)), 0);
    // Line by line: tmux keeps a screen that is cleared from its first line on in its history, each frame anew.
    return lines === 0 ? '' : `${'\x1b[A\x1b[2K'.repeat(lines)}\r`;
  };
  const draw = (): void => {
    if (paused) return;
    const current = size();
    const frame = liveFrame(state, clock.now(), current, Math.max(4, stream.rows ?? 24));
    const text = frame.map((line) => `${line}\n`).join('');
    if (pending.length === 0 && text === last) return;
    const above = pending.map((line) => `${line}\n`).join('');
    stream.write(`${BEGIN_FRAME}${erase(current.width)}${above}${text}${END_FRAME}`);
    pending = [];
    last = text;
    drawn = frame.map((line) => plainWidth(line));
  };
  const onResize = (): void => {
    last = '';
    draw();
  };
  stream.write(HIDE_CURSOR);
  stream.on?.('resize', onResize);
  /** The frame goes, what is finished stays, the cursor comes back. */
  const leave = (): void => {
    stream.write(`${BEGIN_FRAME}${erase(size().width)}${pending.map((line) => `${line}\n`).join('')}${END_FRAME}${SHOW_CURSOR}`);
    pending = [];
    drawn = [];
    last = '';
  };
  const stopTimer = clock.every(FRAME_MS, draw);
  return {
    show: (event) => {
      state = advance(state, event, clock.now());
      const line = eventLine(event, style, verbose);
      if (line !== null) pending.push(line);
    },
    print: (line) => {
      if (paused) {
        stream.write(`${line}\n`);
        return;
      }
      pending.push(line);
      draw();
    },
    pause: () => {
      leave();
      paused = true;
      return () => {
        if (closed) return;
        paused = false;
        stream.write(HIDE_CURSOR);
      };
    },
    close: () => {
      if (closed) return;
      closed = true;
      stopTimer();
      stream.off?.('resize', onResize);
      leave();
    },
  };
}

function plainWidth(line: string): number {
  return displayWidth(stripVTControlCharacters(line));
}
