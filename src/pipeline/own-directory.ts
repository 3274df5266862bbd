import type { Manifest } from '../domain/manifest.ts';
import type { SnapshotRepository } from '../domain/ports.ts';
import { McadsError } from '../errors.ts';
import { isStagingName } from '../stream/restore-commands.ts';
import type { RestorePorts, RestoreRequest } from './restore-requests.ts';

/** What a run of this tool may have made in an empty directory. */
const OWN_NAMES: ReadonlySet<string> = new Set(['backups', 'logs']);

/**
 * A restore on a host replaces what is in the application's directory: one that is another application's, or nobody's (a home directory, by a wrong
 * `cd`), would be moved away whole. Rejects `usage` for a directory that is not empty, that the snapshot was not taken in, and that neither is called
 * as its project nor holds its archives or what it holds (`places`: absolute paths); `-p` says that it is meant.
 */
export async function assertOwnDirectory(
  { sealed, name }: Manifest,
  places: readonly string[],
  { directory, projectName, neverTouch }: RestoreRequest,
  repository: SnapshotRepository,
  ports: RestorePorts,
): Promise<void> {
  const { host } = ports;
  if (projectName !== null) return;
  const [here, there] = [
    await host.identify(directory),
    sealed.workingDirectory === null ? null : await host.identify(sealed.workingDirectory),
  ];
  if (here === null || (there !== null && here.realPath === there.realPath)) return;
  const others = (await host.namesIn(directory)).filter(
    (one) => !OWN_NAMES.has(one) && !isStagingName(one) && !neverTouch.includes(`${directory}/${one}`),
  );
  if (others.length === 0) return;
  const called = (await ports.namesOf(directory)).filter((one) => one !== '');
  if (called.includes(sealed.project)) return;
  // Archives of the old scripts lie where the application's backups are.
  for (const own of neverTouch.filter((path) => path.startsWith(`${directory}/`)))
    if ((await host.namesIn(own)).some((one) => one.startsWith(`${sealed.project}_`) && one.endsWith('.tar.gz'))) return;
  const hasItsOwn = (await repository.snapshots()).some(({ project }) => project !== sealed.project && called.includes(project));
  const isAlike = !hasItsOwn && (await Promise.all(places.map((path) => host.identify(path)))).some((found) => found !== null);
  if (isAlike) return;
  throw new McadsError('usage', `${name} is a snapshot of ${sealed.project}, and ${directory} holds something else`, {
    hint: `restore it in its own or an empty directory (--project-directory DIR), or over what is there with -p ${sealed.project}`,
  });
}
