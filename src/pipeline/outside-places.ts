import { posix } from 'node:path';
import type { Finding } from '../domain/finding.ts';
import type { Manifest } from '../domain/manifest.ts';
import type { HostFiles } from '../domain/ports.ts';
import type { PlannedFile, RestorePlan } from '../domain/restore.ts';
import { McadsError } from '../errors.ts';
import { importedFrom } from './adopt-archive.ts';
import type { TreeRestorePlan } from './plan-restore-trees.ts';
import type { RestoreRequest } from './restore-requests.ts';
import type { SelectedForRestore } from './restore-selection.ts';

/**
 * Decision: whoever made an archive chose every place that it names, and the directory that it says they lay in. What came from one stays inside of
 * the directory that is restored into, symlinks followed, unless the component is asked for by its own name.
 */
const SHOWN_PATHS = 5;

/** Rejects `usage` naming every component of an archive that would lie elsewhere. */
export async function assertNoneOutside(trees: readonly TreeRestorePlan[], request: RestoreRequest, host: HostFiles): Promise<void> {
  const outside: TreeRestorePlan[] = [];
  for (const tree of trees) if (isBound(tree, request) && !(await isInside(tree.target.name, request.directory, host))) outside.push(tree);
  if (outside.length === 0) return;
  const named = outside.map(({ id }) => `--component '${id}'`).join(' ');
  const places = outside.map(({ id, target }) => `${id} at ${target.name}`).join(', ');
  throw new McadsError('usage', `an archive that was imported would replace what lies outside of ${request.directory}: ${places}`, {
    hint: `where you know who made the archive, name them: ${named} (everything else too: --component '**' ${named})`,
  });
}

/** Files of an archive's configuration that lie elsewhere are left as they are, with a finding. */
export async function withoutOutside(
  one: SelectedForRestore,
  files: readonly PlannedFile[],
  request: RestoreRequest,
  host: HostFiles,
  findings: Finding[],
): Promise<readonly PlannedFile[]> {
  if (!isBound({ id: one.id, facts: one.details.facts }, request)) return files;
  const outside: string[] = [];
  const left: PlannedFile[] = [];
  for (const file of files) {
    const isWritten = file.action === 'create' || file.action === 'replace';
    const isLeft = isWritten && !(await isInside(folderOf(file, request.directory), request.directory, host));
    if (isLeft) outside.push(file.path);
    left.push(isLeft ? { path: file.path, action: 'keep' } : file);
  }
  if (outside.length > 0) {
    const shown = outside.slice(0, SHOWN_PATHS).join(', ');
    findings.push({
      severity: 'warning',
      code: 'config-outside',
      subject: one.id,
      message: `not written, for an imported archive says so and they lie outside of ${request.directory}: ${shown}${outside.length > SHOWN_PATHS ? ', …' : ''}`,
      hint: `look at them first (extract ${request.snapshot} config); restore ${request.snapshot} --component config writes them`,
    });
  }
  return left;
}

/** Once more when the trees are swapped in: one of them may have brought a symlink. Rejects `damaged`. */
export async function assertConfigInside(plan: RestorePlan, manifest: Manifest, request: RestoreRequest, host: HostFiles): Promise<void> {
  for (const { id, target } of plan.components) {
    const facts = manifest.sealed.components[id]?.facts ?? {};
    if (target.kind !== 'config' || !isBound({ id, facts }, request)) continue;
    for (const file of target.files) {
      const isWritten = file.action === 'create' || file.action === 'replace';
      if (!isWritten || (await isInside(folderOf(file, target.directory), target.directory, host))) continue;
      throw new McadsError('damaged', `${file.path} of the configuration leads out of ${target.directory} by a symlink of the archive`, {
        hint: 'this was not written by a backup; do not extract it with other tools either',
      });
    }
  }
}

function isBound({ id, facts }: Pick<TreeRestorePlan, 'id' | 'facts'>, { components }: RestoreRequest): boolean {
  return importedFrom(facts) !== null && !components.includes(id);
}

function folderOf({ path }: PlannedFile, directory: string): string {
  return posix.dirname(posix.resolve(directory, path));
}

async function isInside(path: string, directory: string, host: HostFiles): Promise<boolean> {
  const [real, root] = [await realPathOf(path, host), await realPathOf(directory, host)];
  return real === root || real.startsWith(root === '/' ? root : `${root}/`);
}

/** Where a path leads that may not be there yet. */
async function realPathOf(path: string, host: HostFiles): Promise<string> {
  let missing = '';
  for (let at = posix.normalize(path); ; at = posix.dirname(at)) {
    const real = (await host.identify(at))?.realPath;
    if (real !== undefined) return posix.join(real, missing);
    if (at === posix.dirname(at)) return posix.normalize(path);
    missing = posix.join(posix.basename(at), missing);
  }
}
