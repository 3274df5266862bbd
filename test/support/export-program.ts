import { join } from 'node:path';
import { exportSnapshot } from '../../src/pipeline/export.ts';
import { openRepository } from '../../src/repository/open-repository.ts';
import { NEVER } from './repository-fixture.ts';

/** `export-program.ts REPOSITORY SNAPSHOT`: exports into the repository's folder and prints a line for each step, to be killed at one of them. */
const [path = '', snapshot = ''] = process.argv.slice(2);
const say = (line: string): void => void process.stdout.write(`${line}\n`);
await using repository = await openRepository({ path, mode: 'read', create: false });
const base = join(path, snapshot);
await exportSnapshot(
  repository,
  { snapshot, path: `${base}.tar.gz`, verificationPath: `${base}_verification.txt` },
  {
    renderVerification: () => {
      say('publish');
      return 'checked\n';
    },
    renderSystemInfo: () => '',
    now: () => new Date(),
    events: (event) => say(event.type === 'stage' ? `${event.stage} ${event.detail ?? ''}` : event.type),
  },
  NEVER,
);
say('done');
