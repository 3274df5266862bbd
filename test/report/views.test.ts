import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { displayWidth } from '../../src/report/escape.ts';
import { liveFrame } from '../../src/report/live-frame.ts';
import { createLiveView } from '../../src/report/live-view.ts';
import { createPlainView } from '../../src/report/plain-view.ts';
import { advance, startProgress } from '../../src/report/progress-state.ts';
import type { ViewClock } from '../../src/report/progress-view.ts';
import { fakeBackup, MEDIA } from './fake-events.ts';
import { plain, WIDTHS } from './fixtures.ts';

/** A clock that the test moves, and a stream that remembers. */
function stage(columns: number) {
  const written: string[] = [];
  const timers: (() => void)[] = [];
  const time = { now: 0 };
  const clock: ViewClock = {
    now: () => time.now,
    every: (_milliseconds, callback) => {
      timers.push(callback);
      return () => timers.splice(timers.indexOf(callback), 1);
    },
  };
  return {
    written,
    clock,
    time,
    stream: { columns, rows: 24, write: (text: string) => written.push(text) },
    tick: () => timers.forEach((one) => one()),
    timers,
  };
}

function stateAt(until: number) {
  let state = startProgress(0);
  for (const { at, event } of fakeBackup()) if (at <= until) state = advance(state, event, at);
  return state;
}

describe.each([24, 30])('%i columns', (width) => {
  test('no line of a frame is as wide as the terminal', () => {
    for (const line of liveFrame(stateAt(3400), 3400, plain(width), 24)) expect(displayWidth(line)).toBeLessThan(width);
  });
});

describe.each(WIDTHS)('%i columns', (width) => {
  test('a frame in the middle of a backup', () => {
    expect(`\n${liveFrame(stateAt(3400), 3400, plain(width), 24).join('\n')}\n`).toMatchSnapshot();
  });

  test('no line of any frame is as wide as the terminal', () => {
    let state = startProgress(0);
    for (const { at, event } of fakeBackup()) {
      state = advance(state, event, at);
      for (const line of liveFrame(state, at, plain(width), 24)) expect(displayWidth(line)).toBeLessThan(width);
    }
  });
});

test('a frame never has more lines than the terminal', () => {
  expect(liveFrame(stateAt(3400), 3400, plain(80), 6).length).toBeLessThan(6);
});

test('the time left and the rate come from the last seconds', () => {
  const frame = liveFrame(stateAt(3400), 3400, plain(200), 24).join('\n');
  expect(frame).toContain('150 MiB/s');
  expect(frame).toContain('3.0s left');
});

test('progress that is told for every piece of data costs no more to remember', () => {
  let state = startProgress(0);
  for (let i = 0; i < 50_000; i += 1)
    state = advance(
      state,
      { type: 'component-progress', id: MEDIA, bytes: i * 1000, stored: 0, bytesExpected: null, phase: 'files' },
      i / 5,
    );
  const one = state.components.get(MEDIA);
  expect(one?.samples.length).toBeLessThanOrEqual(51);
  expect(one?.rate).toBeCloseTo(5_000_000, -5);
});

test('the live view ends with one line for each component and a visible cursor', () => {
  const { written, clock, time, stream, tick, timers } = stage(100);
  const view = createLiveView(stream, plain(100), false, clock);
  for (const { at, event } of fakeBackup()) {
    time.now = at;
    view.show(event);
    tick();
  }
  view.close();
  const all = written.join('');
  expect(all.endsWith('\x1b[?25h')).toBe(true);
  expect(timers).toHaveLength(0);
  const finished = stripVTControlCharacters(all)
    .split(/[\r\n]+/)
    .filter((line) => /^[✓✗]/.test(line));
  expect(finished).toHaveLength(5);
  expect(all).not.toContain('\x1b[31m');
});

test('without a terminal there are plain lines: starts, ends, findings, and progress only now and then', () => {
  const { written, clock, time, stream } = stage(80);
  const view = createPlainView(stream, plain(80), false, clock);
  for (const { at, event } of fakeBackup()) {
    time.now = at * 4;
    view.show(event);
  }
  view.close();
  expect(written.join('')).toMatchSnapshot();
});
