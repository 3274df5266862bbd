import { PassThrough, Readable, Writable } from 'node:stream';
import type { ExitCode } from '../../src/cli/exit-codes.ts';
import type { Io } from '../../src/cli/context.ts';
import { run } from '../../src/cli/run.ts';
import type { Services } from '../../src/cli/services.ts';
import { McadsError } from '../../src/errors.ts';

function never(what: string): () => never {
  return () => {
    throw new Error(`${what} was not expected to be called`);
  };
}

/** Services of a directory without Compose files and without an engine; a test gives those that it needs. */
export function fakeServices(given: Partial<Services> = {}): Services {
  return {
    inContainer: false,
    loadCompose: async () => Promise.reject(new McadsError('nothing-found', 'no Compose file')),
    listProjects: async () => null,
    undoOnHost: async () => null,
    keptOnHost: async () => null,
    undoLeftovers: async () => null,
    projectServices: async () => ({ kind: 'absent' }),
    unitStates: async () => [],
    plan: never('plan'),
    backup: never('backup'),
    planRestore: never('planRestore'),
    restore: never('restore'),
    rollback: never('rollback'),
    drill: never('drill'),
    recover: never('recover'),
    openRepository: never('openRepository'),
    classicArchives: async () => [],
    importArchive: never('importArchive'),
    openLog: never('openLog'),
    ...given,
  };
}

export interface FakeRun {
  readonly exit: Promise<ExitCode>;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly json: () => Record<string, unknown>;
  readonly send: (signal: 'SIGINT' | 'SIGTERM') => void;
  /** Codes of hard exits. */
  readonly hardExits: readonly ExitCode[];
}

/** Runs a command line inside this process. */
export function startRun(argv: readonly string[], services: Partial<Services> = {}, io: Partial<Io> = {}): FakeRun {
  const written = { out: '', err: '' };
  const collect = (key: 'out' | 'err'): Writable =>
    new Writable({
      write: (chunk: Buffer, _encoding, callback) => {
        written[key] += chunk.toString();
        callback();
      },
    });
  const listeners = new Set<(name: 'SIGINT' | 'SIGTERM') => void>();
  const hardExits: ExitCode[] = [];
  const exit = run(argv, {
    version: '9.9.9',
    environment: {},
    workingDirectory: '/nowhere',
    stdin: Readable.from([]),
    stdout: collect('out'),
    stderr: collect('err'),
    services: fakeServices(services),
    onSignal: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    exitNow: (code) => hardExits.push(code),
    ...io,
  });
  return {
    exit,
    stdout: () => written.out,
    stderr: () => written.err,
    json: () => JSON.parse(written.out) as Record<string, unknown>, // the contract says one object
    send: (name) => listeners.forEach((listener) => listener(name)),
    hardExits,
  };
}

/** A stdout whose reader goes away after the first bytes. */
export function closingStdout(): Writable {
  const stream = new PassThrough();
  let writes = 0;
  stream.write = ((): boolean => {
    writes += 1;
    if (writes === 2) queueMicrotask(() => stream.emit('error', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })));
    return writes < 2;
  }) as typeof stream.write; // overloads
  return stream;
}
