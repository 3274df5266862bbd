import type { ComponentId } from './component.ts';
import type { Finding } from './finding.ts';
import type { Outcome } from './outcome.ts';

/** What a run tells while it works; three subscribers: terminal, log, JSON. */
export type RunEvent =
  | { readonly type: 'stage'; readonly stage: string; readonly detail?: string }
  | { readonly type: 'planned'; readonly components: readonly { readonly id: ComponentId; readonly bytes: number | null }[] }
  | { readonly type: 'component-started'; readonly id: ComponentId; readonly bytesExpected: number | null }
  /** Absolute counts so far. `bytes` read or reused, `stored` newly written (compressed). */
  | {
      readonly type: 'component-progress';
      readonly id: ComponentId;
      readonly bytes: number;
      readonly stored: number;
      readonly bytesExpected: number | null;
      readonly phase: string;
    }
  | { readonly type: 'component-finished'; readonly outcome: Outcome; readonly seconds: number }
  /** Of a restore: built beside what is there (or written in place) and compared with what was recorded. */
  | { readonly type: 'component-restored'; readonly id: ComponentId; readonly bytes: number; readonly seconds: number }
  | {
      readonly type: 'service';
      readonly name: string;
      readonly action: 'pausing' | 'paused' | 'stopping' | 'stopped' | 'starting' | 'running';
    }
  | { readonly type: 'undone'; readonly what: string }
  | { readonly type: 'finding'; readonly finding: Finding }
  | {
      readonly type: 'log';
      readonly level: 'debug' | 'info' | 'warn';
      readonly message: string;
      readonly fields?: Readonly<Record<string, string | number | boolean>>;
    };

export type EventSink = (event: RunEvent) => void;
