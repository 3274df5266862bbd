import type { Finding } from '../domain/finding.ts';
import type { HostFiles } from '../domain/ports.ts';
import type { Manifest } from '../domain/manifest.ts';

/**
 * Where a snapshot of a host is of another directory of the same machine that is there too, two applications may go by one name: they would be pruned
 * together, and one's data go over the other's. Null where that is no question.
 */
export async function otherPlace(
  { sealed }: Pick<Manifest, 'sealed'>,
  here: { readonly directory: string; readonly machine: string },
  host: Pick<HostFiles, 'identify'>,
): Promise<string | null> {
  const { workingDirectory, strategy, host: machine } = sealed;
  if (strategy !== 'host' || workingDirectory === null || machine.name !== here.machine) return null;
  const [there, own] = [await host.identify(workingDirectory), await host.identify(here.directory)];
  return there === null || there.realPath === own?.realPath ? null : workingDirectory;
}

export const ONE_NAME_HINT = 'if these are two applications, name one of them: -p NAME, or `project:` in its mcads.yaml';

export function sharedNameFinding(project: string, name: string, place: string): Finding {
  return {
    severity: 'warning',
    code: 'other-directory',
    subject: project,
    message: `${name}, the snapshot before this one, is of ${place}: both are project ${project} in this repository, and are pruned and restored as one`,
    hint: ONE_NAME_HINT,
  };
}
