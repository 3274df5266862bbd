/** For the eye: a restore with made-up data, question included, in wide and narrow terminals. `node test/cli/watch-restore.ts restore latest` */
import { setTimeout as wait } from 'node:timers/promises';
import { run } from '../../src/cli/run.ts';
import type { RepositoryService } from '../../src/cli/services.ts';
import { fakeRestore, KEPT, PLAN, RESULT } from '../report/restore-fixtures.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { fakeServices } from './fake-io.ts';

const SUMMARY = {
  name: PLAN.snapshot,
  project: 'mcads',
  strategy: 'docker',
  startedAt: PLAN.takenAt,
  completeness: 'complete',
  bytes: 1,
  components: [],
  proof: null,
} as const;

await using folder = await temporaryFolder();
const service = {
  repository: { snapshots: async () => [SUMMARY], classicArchives: async () => [], location: folder.path },
  [Symbol.asyncDispose]: async () => {},
} as unknown as RepositoryService; // what selecting a snapshot calls
process.exitCode = await run(process.argv.slice(2), {
  version: '9.9.9',
  environment: process.env,
  workingDirectory: folder.path,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  onSignal: () => () => undefined,
  exitNow: () => undefined,
  services: fakeServices({
    openRepository: async () => service,
    openLog: async () => ({ path: `${folder.path}/x.log`, write: () => {}, end: () => {}, [Symbol.asyncDispose]: async () => {} }),
    planRestore: async () => PLAN,
    restore: async (_request, _setup, confirm, events) => {
      events({ type: 'stage', stage: 'plan', detail: PLAN.snapshot });
      await wait(600);
      await confirm(PLAN);
      const started = performance.now();
      for (const { at, event } of fakeRestore()) {
        await wait(Math.max(0, at - (performance.now() - started)));
        events(event);
      }
      return RESULT;
    },
    rollback: async (_request, _setup, confirm) => {
      await confirm(KEPT);
      return { kept: KEPT, report: { undone: ['put back volume/media'], failed: [] }, services: RESULT.services, findings: [] };
    },
  }),
});
