import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import type { Io } from '../../src/cli/context.ts';
import type { RepositoryService, Services } from '../../src/cli/services.ts';
import type { SnapshotSummary } from '../../src/domain/snapshot-summary.ts';
import type { RestoreRequest } from '../../src/pipeline/restore-requests.ts';
import { PLAN, RESULT } from '../report/restore-fixtures.ts';

export const SUMMARY: SnapshotSummary = {
  name: PLAN.snapshot,
  project: 'mcads',
  strategy: 'docker',
  startedAt: PLAN.takenAt,
  completeness: 'complete',
  bytes: 1,
  components: ['database/db/mcads', 'volume/media', 'config'],
  proof: null,
};
export const PARTIAL: SnapshotSummary = {
  ...SUMMARY,
  name: 'mcads_backup_20250802_000000',
  startedAt: '2025-08-02T00:00:00Z',
  completeness: 'partial',
};

/** A repository with these snapshots. */
export function repositoryOf(snapshots: readonly SnapshotSummary[]): Pick<Services, 'openRepository'> {
  const service = {
    repository: { snapshots: async () => snapshots, classicArchives: async () => [], location: '/b' },
    damagedSnapshots: async () => [],
    [Symbol.asyncDispose]: async () => {},
  } as unknown as RepositoryService; // what selecting a snapshot calls
  return { openRepository: async () => service };
}

/** Services that agree to all that is asked and note what they were asked for. */
export function restoring(folder: string, given: Partial<Services> = {}) {
  const seen: { request: RestoreRequest | null; changed: boolean } = { request: null, changed: false };
  const plan = { ...PLAN, directory: folder };
  const services: Partial<Services> = {
    ...repositoryOf([SUMMARY]),
    planRestore: async (request) => {
      seen.request = request;
      return plan;
    },
    restore: async (request, _setup, confirm, events) => {
      seen.request = request;
      await confirm(plan);
      seen.changed = true;
      events({ type: 'planned', components: [] });
      return { ...RESULT, plan };
    },
    openLog: async (directory, command) => {
      await mkdir(directory, { recursive: true });
      return { path: join(directory, `${command}.log`), write: () => {}, end: () => {}, [Symbol.asyncDispose]: async () => {} };
    },
    ...given,
  };
  return { seen, services };
}

/** A terminal at which somebody types these lines. */
export function terminal(typed: string): { readonly io: Partial<Io>; readonly screen: () => string; readonly asked: Promise<void> } {
  const stdin = Object.assign(new PassThrough(), { isTTY: true as const, setRawMode: () => undefined });
  let shown = '';
  const asked = Promise.withResolvers<void>();
  let answered = false;
  const stderr = Object.assign(
    new Writable({
      write: (chunk: Buffer, _encoding, callback) => {
        shown += chunk.toString();
        // The question stands: now somebody answers.
        if (shown.includes('anything else changes nothing') && !answered) {
          answered = true;
          asked.resolve();
          if (typed !== '') setImmediate(() => stdin.write(typed));
        }
        callback();
      },
    }),
    { isTTY: true as const, columns: 100, rows: 40 },
  );
  return { asked: asked.promise, io: { stdin, stderr, environment: { TERM: 'xterm', NO_COLOR: '1' } }, screen: () => shown };
}
