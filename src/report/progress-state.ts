import type { RunEvent } from '../domain/events.ts';
import type { Outcome } from '../domain/outcome.ts';

export interface ComponentProgress {
  readonly id: string;
  readonly status: 'waiting' | 'running' | 'restored' | Outcome['status'];
  readonly phase: string;
  readonly bytes: number;
  readonly stored: number;
  readonly expected: number | null;
  readonly startedAt: number;
  readonly seconds: number;
  readonly reason: string | null;
  /** Bytes per second of about the last five seconds. */
  readonly rate: number;
  /** Older measurements that the rate is taken from: `[milliseconds, bytes]`. */
  readonly samples: readonly (readonly [number, number])[];
}

/** What the run does with its components. */
export type Doing = 'capture' | 'restore';

export interface ProgressState {
  readonly doing: Doing;
  readonly stage: string;
  readonly startedAt: number;
  readonly components: ReadonlyMap<string, ComponentProgress>;
  /** Services that are not as they were, and what is being done to them. */
  readonly services: ReadonlyMap<string, string>;
}

const RATE_WINDOW_MS = 5000;
/** Samples are this far apart, so that the window holds a few dozen however often progress is told. */
const SAMPLE_MS = 100;

/** What the pipeline's own words for a restore's steps mean to people. */
const STAGE_WORDS: Readonly<Record<string, string>> = {
  build: 'building beside what is there',
  swap: 'swapping',
  start: 'starting services',
  prove: 'proving',
  undo: 'bringing back what was there',
  rollback: 'going back to before',
};

export function startProgress(now: number, doing: Doing = 'capture'): ProgressState {
  return { doing, stage: '', startedAt: now, components: new Map(), services: new Map() };
}

/** The state after an event at `now` (milliseconds of a monotonic clock). */
export function advance(state: ProgressState, event: RunEvent, now: number): ProgressState {
  switch (event.type) {
    case 'stage': {
      const words = STAGE_WORDS[event.stage] ?? event.stage;
      return { ...state, stage: event.detail === undefined ? words : `${words}: ${event.detail}` };
    }
    case 'planned':
      return {
        ...state,
        stage: state.doing,
        components: new Map(event.components.map(({ id, bytes }) => [id, { ...newComponent(id, now), expected: bytes }])),
      };
    case 'component-started':
      return withComponent(state, event.id, now, (one) => ({
        ...one,
        status: 'running',
        startedAt: now,
        expected: event.bytesExpected ?? one.expected,
        samples: [[now, 0]],
      }));
    case 'component-progress':
      return withComponent(state, event.id, now, (one) => {
        const samples = withSample(one.samples, now, event.bytes);
        return {
          ...one,
          status: 'running',
          phase: event.phase,
          bytes: event.bytes,
          stored: event.stored,
          expected: event.bytesExpected ?? one.expected,
          samples,
          rate: rateOf(samples, now, event.bytes),
        };
      });
    case 'component-finished':
      return withComponent(state, event.outcome.id, now, (one) => finished(one, event.outcome, event.seconds));
    case 'component-restored':
      return withComponent(state, event.id, now, (one) => ({
        ...one,
        status: 'restored',
        bytes: event.bytes,
        seconds: event.seconds,
        samples: [],
      }));
    case 'service': {
      const services = new Map(state.services);
      if (event.action === 'running') services.delete(event.name);
      else services.set(event.name, event.action);
      return { ...state, services };
    }
    case 'undone':
    case 'finding':
    case 'log':
      return state;
  }
}

/** Seconds until the end where size and rate are known. */
export function secondsLeft(component: ComponentProgress): number | null {
  if (component.expected === null || component.rate <= 0 || component.bytes > component.expected) return null;
  return (component.expected - component.bytes) / component.rate;
}

/** Null where the size is not known, or was estimated too small. */
export function shareDone(component: ComponentProgress): number | null {
  if (component.expected === null || component.expected <= 0 || component.bytes > component.expected) return null;
  return component.bytes / component.expected;
}

function finished(one: ComponentProgress, outcome: Outcome, seconds: number): ComponentProgress {
  const details = 'details' in outcome ? outcome.details : null;
  const reason = outcome.status === 'failed' || outcome.status === 'skipped' ? outcome.reason : null;
  return {
    ...one,
    status: outcome.status,
    bytes: details?.bytes ?? one.bytes,
    stored: details?.storedBytes ?? one.stored,
    seconds,
    reason,
    samples: [],
  };
}

function withComponent(
  state: ProgressState,
  id: string,
  now: number,
  change: (one: ComponentProgress) => ComponentProgress,
): ProgressState {
  const components = new Map(state.components);
  components.set(id, change(components.get(id) ?? newComponent(id, now)));
  return { ...state, components };
}

function newComponent(id: string, now: number): ComponentProgress {
  return {
    id,
    status: 'waiting',
    phase: '',
    bytes: 0,
    stored: 0,
    expected: null,
    startedAt: now,
    seconds: 0,
    reason: null,
    rate: 0,
    samples: [],
  };
}

function withSample(samples: ComponentProgress['samples'], now: number, bytes: number): ComponentProgress['samples'] {
  const last = samples.at(-1);
  if (last !== undefined && now - last[0] < SAMPLE_MS) return samples;
  return [...samples.filter(([at]) => at >= now - RATE_WINDOW_MS), [now, bytes]];
}

function rateOf(samples: ComponentProgress['samples'], now: number, bytes: number): number {
  const first = samples[0];
  if (first === undefined || now - first[0] < 200) return 0;
  return Math.max(0, ((bytes - first[1]) * 1000) / (now - first[0]));
}
