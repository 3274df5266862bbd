import { componentId, decodeIdPart } from '../domain/component.ts';
import { RAW_DATABASE_SUFFIX } from '../domain/host.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { PlannedComponent } from '../domain/plan.ts';

/**
 * The files of an SQLite database that could not be copied as one, as a component beside it: damaged data is better than none. Null where the
 * database is there. A restore puts them beside the database, never in its place.
 */
export function rawDatabase(component: PlannedComponent, outcome: Outcome): PlannedComponent | null {
  if (component.method.kind !== 'sqlite' || outcome.status !== 'failed') return null;
  const { path } = component.method;
  const [, ...parts] = component.id.split('/');
  const id = componentId('files', 'damaged', parts.map(decodeIdPart).join('/'));
  return {
    ...component,
    id,
    method: { kind: 'sqlite-raw', path },
    how: `files of ${path} as they are`,
    consistency: 'crash',
    facts: { path: `${path}${RAW_DATABASE_SUFFIX}`, exclude: [] },
    findings: [
      {
        severity: 'warning',
        code: 'database-raw',
        subject: id,
        message: `${path} is kept byte by byte, with its logs, as it was while it was read: nothing of it is checked`,
        hint: `get it with \`mcads-orchestrate extract SNAPSHOT ${id} --target DIR\`, then save what is readable with \`sqlite3 FILE .recover\``,
      },
    ],
  };
}
