import type { RunEvent } from '../domain/events.ts';

/** A subscriber that draws. `close` leaves the terminal as a finished page. */
export interface ProgressView {
  show(event: RunEvent): void;
  /** A line from elsewhere, at once. */
  print(line: string): void;
  /** Gives the terminal to a question; returns how to go on. */
  pause(): () => void;
  close(): void;
}

export interface ViewStream {
  write(text: string): unknown;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  on?(event: 'resize', listener: () => void): unknown;
  off?(event: 'resize', listener: () => void): unknown;
}

/** Time and timers of a view; tests give their own. */
export interface ViewClock {
  now(): number;
  every(milliseconds: number, callback: () => void): () => void;
}

export const SYSTEM_CLOCK: ViewClock = {
  now: () => performance.now(),
  every: (milliseconds, callback) => {
    const timer = setInterval(callback, milliseconds).unref();
    return () => clearInterval(timer);
  },
};
