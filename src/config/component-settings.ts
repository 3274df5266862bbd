import type { ComponentSettings, QuiesceMode } from '../domain/plan.ts';
import type { Assertion } from '../domain/drill.ts';
import { toAssertions } from './assertions.ts';
import { readLabels } from './labels.ts';
import type { SettingOwner } from './labels.ts';
import type { ServiceInput } from './schema.ts';
import type { Origin, Problem } from './setting.ts';

export const DEFAULT_EXEC_TIMEOUT_MS = 60_000;

/** Settings of one service or volume from one source. */
export interface ComponentLayer {
  readonly kind: Origin['kind'];
  readonly input: ServiceInput;
  readonly whereOf: (path: readonly string[]) => string;
}

export interface ResolvedSettings {
  readonly settings: ComponentSettings;
  /** By dotted setting name, for those that somebody set. */
  readonly origins: Readonly<Record<string, Origin>>;
  /** What is wrong with its labels: this component fails, the others go on. */
  readonly problems: readonly Problem[];
  readonly failure: { readonly reason: string; readonly hint?: string | undefined } | null;
}

export interface ComponentDefaults {
  readonly quiesce: { readonly value: QuiesceMode; readonly origin: Origin } | null;
}

/**
 * Joins labels with the blocks of files (strongest first). `forced` is a flag or variable that wins over labels,
 * `fallback` a setting for everything that says nothing itself.
 */
export function resolveSettings(
  owner: SettingOwner,
  name: string,
  labels: Readonly<Record<string, string>>,
  whereIsLabel: (label: string) => string,
  blocks: readonly ComponentLayer[],
  quiesce: { readonly forced: ComponentDefaults['quiesce']; readonly fallback: ComponentDefaults['quiesce'] },
): ResolvedSettings {
  const fromLabels = readLabels(owner, labels, whereIsLabel);
  const labelLayer: ComponentLayer = {
    kind: 'label',
    input: fromLabels.input,
    whereOf: (path) => whereIsLabel(`mcads.${path.join('.')}`),
  };
  const layers = [labelLayer, ...blocks];
  const origins: Record<string, Origin> = {};
  const pick = <T>(path: readonly string[], of: (input: ServiceInput) => T | undefined): T | null => {
    for (const layer of layers) {
      const value = of(layer.input);
      if (value === undefined) continue;
      origins[path.join('.')] = { kind: layer.kind, where: layer.whereOf(path) };
      return value;
    }
    return null;
  };
  const settings: ComponentSettings = {
    enable: pick(['enable'], (input) => input.enable),
    engine: pick(['engine'], (input) => input.engine),
    postgres: {
      user: pick(['postgres', 'user'], (input) => input.postgres?.user),
      passwordFile: pick(['postgres', 'passwordFile'], (input) => input.postgres?.passwordFile),
      port: pick(['postgres', 'port'], (input) => input.postgres?.port),
      databases: pick(['postgres', 'databases'], (input) => input.postgres?.databases),
    },
    exclude: pick(['exclude'], (input) => input.exclude) ?? [],
    quiesce: joinQuiesce(
      pick(['quiesce'], (input) => input.quiesce),
      quiesce,
      origins,
    ),
    consistency: pick(['consistency'], (input) => input.consistency),
    execBefore: pick(['exec', 'before'], (input) => input.exec?.before),
    execAfter: pick(['exec', 'after'], (input) => input.exec?.after),
    execTimeoutMs: pick(['exec', 'timeout'], (input) => input.exec?.timeout) ?? DEFAULT_EXEC_TIMEOUT_MS,
    execUser: pick(['exec', 'user'], (input) => input.exec?.user),
    assertions: owner === 'service' ? assertionsOf(name, pick) : [],
  };
  return { settings, origins, problems: fromLabels.problems, failure: failureOf(owner, name, fromLabels.problems) };
}

type Pick = <T>(path: readonly string[], of: (input: ServiceInput) => T | undefined) => T | null;

function assertionsOf(service: string, pick: Pick): readonly Assertion[] {
  const claim = <K extends keyof Claims>(key: K): Claims[K] | undefined =>
    pick(['assert', key], (input) => input.assert?.[key]) ?? undefined;
  const [sql, http, command] = [claim('sql'), claim('http'), claim('command')];
  const about = { database: claim('database'), expect: claim('expect'), status: claim('status'), contains: claim('contains') };
  return toAssertions(service, { ...about, sql, http, command });
}

type Claims = NonNullable<ServiceInput['assert']>;

function joinQuiesce(
  own: QuiesceMode | null,
  others: { readonly forced: ComponentDefaults['quiesce']; readonly fallback: ComponentDefaults['quiesce'] },
  origins: Record<string, Origin>,
): QuiesceMode | null {
  const other = others.forced ?? (own === null ? others.fallback : null);
  if (other === null) return own;
  origins['quiesce'] = other.origin;
  return other.value;
}

function failureOf(owner: SettingOwner, name: string, problems: readonly Problem[]): ResolvedSettings['failure'] {
  const [first] = problems;
  if (first === undefined) return null;
  const text = problems.map((problem) => `${problem.message} (${problem.where})`).join('; ');
  return { reason: `${owner} ${name}: ${text}`, hint: first.hint ?? 'mend the label, then run `config validate`' };
}
