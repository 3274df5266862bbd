import { matchesComponent, parseComponentId } from '../domain/component.ts';
import type { SnapshotSummary } from '../domain/snapshot-summary.ts';
import { McadsError } from '../errors.ts';
import type { Selection } from '../pipeline/select-components.ts';

/** Words and --component globs → what of this snapshot is meant. Empty: everything. Rejects `usage` where one matches nothing. */
export function chosenComponents(
  summary: SnapshotSummary,
  selections: readonly Selection[],
  globs: readonly string[],
): readonly Selection[] {
  const wanted = [...selections, ...globs.map((component) => ({ component, path: null }))];
  return wanted.flatMap((selection) => {
    const matching = summary.components.filter((id) => {
      const parsed = parseComponentId(id);
      return parsed !== null && matchesComponent(parsed, selection.component);
    });
    if (matching.length === 0) {
      throw new McadsError('usage', `${summary.name} has no component ${selection.component}`, {
        hint: `it holds ${summary.components.join(', ')}`,
      });
    }
    return matching.map((component) => ({ component, path: selection.path }));
  });
}
