import type { Finding } from '../domain/finding.ts';
import type { PlannedComponent } from '../domain/plan.ts';
import type { FileIdentity } from '../domain/ports.ts';
import { escapeGlob, excludeMatcher } from '../stream/exclude-globs.ts';
import { toRaw } from '../stream/raw-path.ts';

/** A planned bind with what is known of its folder on this host; null where it cannot be seen from here. */
export interface PlannedTree {
  readonly component: PlannedComponent;
  readonly identity: FileIdentity | null;
  /** True where it holds a database's files. */
  readonly holdsCluster: boolean;
}

/**
 * Captures a bind inside another one once: with the outer one where that reads the very same files in the same way, else by itself and
 * left out of the outer one.
 */
export function withoutNested(planned: readonly PlannedTree[], findings: Finding[]): readonly PlannedComponent[] {
  const merged = new Map<PlannedTree, PlannedTree>();
  for (const inner of planned) {
    const outer = planned.find((other) => other !== inner && !merged.has(other) && isCapturedWith(inner, other));
    if (outer === undefined) continue;
    merged.set(inner, outer);
    findings.push({
      severity: 'info',
      code: 'bind-inside-bind',
      subject: inner.component.id,
      message: `${pathOf(inner)} lies inside ${pathOf(outer)} and is captured with it as ${outer.component.id}`,
    });
  }
  const alone = planned.filter((one) => !merged.has(one));
  return alone.map((outer) => {
    const users = [...merged].filter(([, into]) => into === outer).flatMap(([inner]) => inner.component.users);
    const apart = alone.flatMap((inner) => (inner === outer ? [] : (below(pathOf(inner), pathOf(outer)) ?? [])));
    return withChanges(outer.component, users, apart);
  });
}

function isCapturedWith(inner: PlannedTree, outer: PlannedTree): boolean {
  if (inner.identity === null || outer.identity === null) return false;
  // Another filesystem is not walked into, a path through a symlink is not followed.
  const relative = below(inner.identity.realPath, outer.identity.realPath);
  if (relative === null || inner.identity.device !== outer.identity.device) return false;
  const [mine, its] = [inner.component, outer.component];
  return (
    mine.method.kind === 'tree' &&
    its.method.kind === 'tree' &&
    !inner.holdsCluster &&
    mine.failure === undefined &&
    its.failure === undefined &&
    mine.findings.length === 0 &&
    (mine.hooks ?? []).length === 0 &&
    mine.quiesce === its.quiesce &&
    mine.consistency === its.consistency &&
    mine.method.exclude.every((glob) => its.method.kind === 'tree' && its.method.exclude.includes(glob)) &&
    !isExcluded(relative, its.method.exclude)
  );
}

function isExcluded(relative: string, globs: readonly string[]): boolean {
  const matches = excludeMatcher(globs);
  const parts = toRaw(relative).split('/');
  return parts.some((_, index) => matches(parts.slice(0, index + 1).join('/')));
}

function withChanges(component: PlannedComponent, users: readonly string[], apart: readonly string[]): PlannedComponent {
  const { method } = component;
  if (method.kind !== 'tree' || (users.length === 0 && apart.length === 0)) return component;
  const exclude = [...new Set([...method.exclude, ...apart.map(escapeGlob)])];
  return {
    ...component,
    users: [...new Set([...component.users, ...users])],
    method: { ...method, exclude },
    // What is not in the outer one is not to be moved away when that is restored.
    facts: { ...component.facts, exclude },
  };
}

/** Empty for volumes, which lie inside nothing. */
function pathOf({ component: { method } }: PlannedTree): string {
  return method.kind === 'tree' && method.mount.type === 'bind' ? method.mount.hostPath : '';
}

function below(path: string, folder: string): string | null {
  const start = `${folder.replace(/\/+$/, '')}/`;
  return folder !== '' && path.startsWith(start) && path !== start ? path.slice(start.length) : null;
}
