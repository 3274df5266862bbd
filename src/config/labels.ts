import { SERVICE_SCHEMA, VOLUME_SCHEMA } from './schema.ts';
import type { ServiceInput } from './schema.ts';
import type { Problem } from './setting.ts';
import { suggestionHint } from './suggest.ts';
import { fromText } from './text-value.ts';
import type { TextKind } from './text-value.ts';
import { validate } from './validate.ts';

export const LABEL_PREFIX = 'mcads.';

interface LabelRow {
  readonly path: readonly string[];
  readonly kind: TextKind;
  readonly volumes: boolean;
}

/** Every label, and where its value goes in the settings of a service or volume. */
export const LABELS: Readonly<Record<string, LabelRow>> = {
  'mcads.enable': { path: ['enable'], kind: 'flag', volumes: true },
  'mcads.engine': { path: ['engine'], kind: 'text', volumes: false },
  'mcads.postgres.user': { path: ['postgres', 'user'], kind: 'text', volumes: false },
  'mcads.postgres.passwordFile': { path: ['postgres', 'passwordFile'], kind: 'text', volumes: false },
  'mcads.postgres.port': { path: ['postgres', 'port'], kind: 'number', volumes: false },
  'mcads.postgres.databases': { path: ['postgres', 'databases'], kind: 'list', volumes: false },
  'mcads.exclude': { path: ['exclude'], kind: 'list', volumes: true },
  'mcads.quiesce': { path: ['quiesce'], kind: 'text', volumes: true },
  'mcads.consistency': { path: ['consistency'], kind: 'text', volumes: true },
  'mcads.exec.before': { path: ['exec', 'before'], kind: 'command', volumes: false },
  'mcads.exec.after': { path: ['exec', 'after'], kind: 'command', volumes: false },
  'mcads.exec.timeout': { path: ['exec', 'timeout'], kind: 'text', volumes: false },
  'mcads.exec.user': { path: ['exec', 'user'], kind: 'text', volumes: false },
  'mcads.assert.sql': { path: ['assert', 'sql'], kind: 'text', volumes: false },
  'mcads.assert.database': { path: ['assert', 'database'], kind: 'text', volumes: false },
  'mcads.assert.expect': { path: ['assert', 'expect'], kind: 'text', volumes: false },
  'mcads.assert.http': { path: ['assert', 'http'], kind: 'text', volumes: false },
  'mcads.assert.status': { path: ['assert', 'status'], kind: 'number', volumes: false },
  'mcads.assert.contains': { path: ['assert', 'contains'], kind: 'text', volumes: false },
  'mcads.assert.command': { path: ['assert', 'command'], kind: 'command', volumes: false },
};

export type SettingOwner = 'service' | 'volume';

export interface LabelSettings {
  /** What was understood; empty when there are problems. */
  readonly input: ServiceInput;
  readonly problems: readonly Problem[];
}

/** Reads `mcads.*` labels of one service or volume. `whereIs` locates a label. */
export function readLabels(
  owner: SettingOwner,
  labels: Readonly<Record<string, string>>,
  whereIs: (label: string) => string,
): LabelSettings {
  const problems: Problem[] = [];
  const nested: Record<string, unknown> = {};
  const known = Object.keys(LABELS).filter((label) => owner === 'service' || LABELS[label]?.volumes === true);
  for (const [label, value] of Object.entries(labels)) {
    if (!label.startsWith(LABEL_PREFIX)) continue;
    const row = Object.hasOwn(LABELS, label) ? LABELS[label] : undefined;
    if (row === undefined) {
      problems.push({ where: whereIs(label), setting: label, message: `unknown label ${label}`, hint: suggestionHint(label, known) });
    } else if (owner === 'volume' && !row.volumes) {
      problems.push({ where: whereIs(label), setting: label, message: `label ${label} belongs on a service, not on a volume` });
    } else {
      put(nested, row.path, fromText(value, row.kind));
    }
  }
  const checked = validate(
    owner === 'service' ? SERVICE_SCHEMA : VOLUME_SCHEMA,
    nested,
    (path) => whereIs(labelOf(path)),
    (path) => `label ${labelOf(path)}`,
  );
  return { input: checked.value ?? {}, problems: [...problems, ...checked.problems] };
}

/** The label that sets a path; list positions belong to their list. */
function labelOf(path: readonly string[]): string {
  return LABEL_PREFIX + path.filter((step) => !/^\d+$/.test(step)).join('.');
}

function put(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [first, second] = path;
  if (first === undefined) return;
  if (second === undefined) {
    target[first] = value;
  } else {
    const inner = target[first];
    target[first] = { ...(typeof inner === 'object' ? inner : {}), [second]: value };
  }
}
