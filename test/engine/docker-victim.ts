/** A process that the tests kill: claims a project and stops a container, records a restore, or reads a tree, and says `ready`. */
import type { RestoreJournal } from '../../src/domain/restore.ts';
import { openEngine } from '../../src/docker/open-engine.ts';

const [dockerHost, task, subject = '', container = ''] = process.argv.slice(2);
const signal = new AbortController().signal;
const engine = await openEngine(
  { context: null, environment: { ...process.env, DOCKER_HOST: dockerHost }, home: '/nonexistent', ownVersion: 'victim' },
  signal,
);

if (task === 'claim') {
  const { claim } = await engine.claimProject(subject, 'backup', signal);
  await claim.recordUndo([{ action: 'start', container, name: container, waitHealthy: false }]);
  await engine.stop(container, signal);
} else if (task === 'restore') {
  const journal = JSON.parse(subject) as RestoreJournal; // written by the test
  const { claim } = await engine.claimProject(journal.project, 'restore', signal);
  await claim.recordRestore(journal);
} else {
  const transport = task === 'archive' ? 'archive' : 'pipe';
  const tree = await engine.openTree(
    { type: 'volume', name: subject, driver: 'local', subpath: null },
    { transport, helperImage: null, projectImages: [] },
    signal,
  );
  const body = tree.readAll(signal).body[Symbol.asyncIterator]();
  await body.next();
}
process.stdout.write('ready\n');
setInterval(() => undefined, 1000);
