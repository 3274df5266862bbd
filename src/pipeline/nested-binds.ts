import type { Finding } from '../domain/finding.ts';
import type { PlannedComponent } from '../domain/plan.ts';
import type { FileIdentity } from '../domain/ports.ts';
import { escapeGlob, excludeMatcher } from '../stream/exclude-globs.ts';
import { toRaw } from '../stream/raw-path.ts';

/** A planned bind, or volume, with what is known of its folder on this host; null where it cannot be seen from here. */
export interface PlannedTree {
  readonly component: PlannedComponent;
  /** On the engine's host; empty for a volume that the engine keeps, which lies inside nothing. */
  readonly path: string;
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
  for (const twin of planned) {
    const first = planned.find((other) => (!merged.has(other) && other === twin) || (isSamePlace(twin, other) && readsAlike(twin, other)));
    if (first === undefined || first === twin) continue;
    merged.set(twin, first);
    findings.push({
      severity: 'info',
      code: 'same-folder',
      subject: twin.component.id,
      message: `it is the folder ${twin.path}, which is captured as ${first.component.id}`,
    });
  }
  for (const inner of planned) {
    if (merged.has(inner)) continue;
    const outer = planned.find((other) => other !== inner && !merged.has(other) && isCapturedWith(inner, other));
    if (outer === undefined) continue;
    merged.set(inner, outer);
    findings.push({
      severity: 'info',
      code: 'bind-inside-bind',
      subject: inner.component.id,
      message: `${inner.path} lies inside ${outer.path} and is captured with it as ${outer.component.id}`,
    });
  }
  const alone = planned.filter((one) => !merged.has(one));
  return alone.map((outer) => {
    const users = [...merged.keys()].filter((inner) => endOf(inner, merged) === outer).flatMap((inner) => inner.component.users);
    const apart = alone.flatMap((inner) => (inner === outer ? [] : (belowPlace(inner, outer) ?? [])));
    return withChanges(outer.component, users, apart);
  });
}

function isCapturedWith(inner: PlannedTree, outer: PlannedTree): boolean {
  if (inner.identity === null || outer.identity === null || !isBind(inner) || !isBind(outer)) return false;
  // Another filesystem is not walked into, a path through a symlink is not followed.
  const relative = below(inner.identity.realPath, outer.identity.realPath);
  if (relative === null || inner.identity.device !== outer.identity.device) return false;
  return readsAlike(inner, outer) && outer.component.method.kind === 'tree' && !isExcluded(relative, outer.component.method.exclude);
}

/** Where one goes with the other, through a third where that goes with another one too. */
function endOf(inner: PlannedTree, merged: ReadonlyMap<PlannedTree, PlannedTree>): PlannedTree {
  const into = merged.get(inner);
  return into === undefined ? inner : endOf(into, merged);
}

/** Nothing that is said of `inner`, and nothing of how it is read, is lost where it is captured as `outer`. */
function readsAlike({ component: mine, holdsCluster }: PlannedTree, { component: its }: PlannedTree): boolean {
  return (
    mine.method.kind === 'tree' &&
    its.method.kind === 'tree' &&
    !holdsCluster &&
    mine.failure === undefined &&
    its.failure === undefined &&
    mine.findings.length === 0 &&
    (mine.hooks ?? []).length === 0 &&
    mine.quiesce === its.quiesce &&
    mine.consistency === its.consistency &&
    mine.method.exclude.every((glob) => its.method.kind === 'tree' && its.method.exclude.includes(glob))
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

function isBind({ component: { method } }: PlannedTree): boolean {
  return method.kind === 'tree' && method.mount.type === 'bind';
}

/** Volumes by their options, or a volume and a bind. Binds of one path are one component already. */
function isSamePlace(one: PlannedTree, other: PlannedTree): boolean {
  if (one.path === '' || other.path === '') return false;
  if (one.path === other.path) return true;
  const [a, b] = [one.identity, other.identity];
  return a !== null && b !== null && a.device !== '' && a.device === b.device && a.inode === b.inode;
}

/** As written, or as it is where a symlink leads there. */
function belowPlace(inner: PlannedTree, outer: PlannedTree): string | null {
  const written = below(inner.path, outer.path);
  if (written !== null || inner.identity === null || outer.identity === null) return written;
  return below(inner.identity.realPath, outer.identity.realPath);
}

function below(path: string, folder: string): string | null {
  const start = `${folder.replace(/\/+$/, '')}/`;
  return folder !== '' && path.startsWith(start) && path !== start ? path.slice(start.length) : null;
}
