import type { ComposeModel } from '../domain/compose-model.ts';
import type { Assertion } from '../domain/drill.ts';
import type { Finding } from '../domain/finding.ts';
import type { QuiesceMode } from '../domain/plan.ts';
import { McadsError } from '../errors.ts';
import { joinAssertions } from './assertions.ts';
import { resolveSettings } from './component-settings.ts';
import type { ComponentLayer, ResolvedSettings } from './component-settings.ts';
import { readEnvironment } from './environment.ts';
import { joinHost } from './host-settings.ts';
import type { HostSettings } from '../domain/host.ts';
import { GLOBAL_ROWS } from './global-rows.ts';
import type { SettingOwner } from './labels.ts';
import type { GlobalInput } from './schema.ts';
import { DEFAULT_ORIGIN, DEFAULT_SETTINGS, NO_KEEP } from './setting.ts';
import type { GlobalSettings, KeepSettings, Origin, Problem } from './setting.ts';
import { checkBlock, printWhere } from './settings-file.ts';
import type { SettingsBlock } from './settings-file.ts';
import { checkTextLayer } from './text-layer.ts';
import type { Layer, TextLayer } from './text-layer.ts';
import { suggestionHint } from './suggest.ts';

export interface ConfigSources {
  /** By dotted path (`keep.daily`), as given on the command line. */
  readonly flags: TextLayer['values'];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly model: ComposeModel | null;
  readonly file: SettingsBlock | null;
  /** Where relative paths of flags and variables belong. */
  readonly workingDirectory: string;
}

/** Everything that is set, joined: flags, then variables, labels, `x-mcads`, `mcads.yaml`. */
export interface Config {
  readonly settings: GlobalSettings;
  /** By dotted setting name; every setting has one. */
  readonly origins: Readonly<Record<string, Origin>>;
  /** The application on a host without Docker. */
  readonly host: HostSettings;
  /** Claims that drills try; those of service blocks and labels are with their service. */
  readonly assertions: readonly Assertion[];
  /** Unknown variables: warnings. */
  readonly findings: readonly Finding[];
  forService(service: string, labels: Readonly<Record<string, string>>): ResolvedSettings;
  forVolume(key: string, labels: Readonly<Record<string, string>>): ResolvedSettings;
}

/** Joins all sources. Rejects `config` with every global problem at once, each with its place. */
export async function loadConfig(sources: ConfigSources): Promise<Config> {
  const environment = await readEnvironment(sources.environment);
  const flags = checkTextLayer({ kind: 'flag', values: sources.flags, whereOf: (row) => row.flag }, sources.workingDirectory);
  const variables = checkTextLayer(environment, sources.workingDirectory);
  const blocks = [blockOfModel(sources.model), sources.file].filter((block) => block !== null);
  const problems = [
    ...flags.problems,
    ...environment.problems,
    ...variables.problems,
    ...blocks.flatMap((block) => [...block.problems, ...unknownOwners(block, sources.model)]),
  ];
  if (problems.length > 0) throw errorOf(problems);
  const layers: readonly Layer[] = [flags.layer, variables.layer, ...blocks];
  const { settings, origins } = joinGlobals(layers);
  const resolve = (owner: SettingOwner, name: string, labels: Readonly<Record<string, string>>): ResolvedSettings =>
    resolveSettings(
      owner,
      name,
      labels,
      labelLocator(owner, name, sources.model),
      ownersOf(blocks, owner, name),
      quiesceOf(settings, origins),
    );
  return {
    settings,
    origins,
    host: joinHost(blocks, origins),
    assertions: joinAssertions(blocks),
    findings: environment.unknown.map(warningOf),
    forService: (service, labels) => resolve('service', service, labels),
    forVolume: (key, labels) => resolve('volume', key, labels),
  };
}

function joinGlobals(layers: readonly Layer[]): Pick<Config, 'settings' | 'origins'> {
  const origins: Record<string, Origin> = {};
  const pick = <K extends keyof GlobalInput, D>(key: K, fallback: D): NonNullable<GlobalInput[K]> | D => {
    const layer = layers.find((candidate) => candidate.input[key] !== undefined);
    origins[key] = layer === undefined ? DEFAULT_ORIGIN : { kind: layer.kind, where: layer.whereOf([key]) };
    return layer?.input[key] ?? fallback;
  };
  const settings: GlobalSettings = {
    project: pick('project', DEFAULT_SETTINGS.project),
    repository: pick('repository', DEFAULT_SETTINGS.repository),
    strategy: pick('strategy', DEFAULT_SETTINGS.strategy),
    context: pick('context', DEFAULT_SETTINGS.context),
    keep: joinKeep(layers, origins),
    files: pick('files', DEFAULT_SETTINGS.files),
    exclude: pick('exclude', DEFAULT_SETTINGS.exclude),
    images: pick('images', DEFAULT_SETTINGS.images),
    archive: pick('archive', DEFAULT_SETTINGS.archive),
    transport: pick('transport', DEFAULT_SETTINGS.transport),
    helperImage: pick('helperImage', DEFAULT_SETTINGS.helperImage),
    jobs: pick('jobs', DEFAULT_SETTINGS.jobs),
    limitRate: pick('limitRate', DEFAULT_SETTINGS.limitRate),
    helperCpuWeight: pick('helperCpuWeight', DEFAULT_SETTINGS.helperCpuWeight),
    helperIoWeight: pick('helperIoWeight', DEFAULT_SETTINGS.helperIoWeight),
    quiesce: pick('quiesce', DEFAULT_SETTINGS.quiesce),
    keepOldMs: pick('keepOld', DEFAULT_SETTINGS.keepOldMs),
    lockTimeoutMs: pick('lockTimeout', DEFAULT_SETTINGS.lockTimeoutMs),
    maxAgeMs: pick('maxAge', DEFAULT_SETTINGS.maxAgeMs),
    maxProofAgeMs: pick('maxProofAge', DEFAULT_SETTINGS.maxProofAgeMs),
    ping: pick('ping', DEFAULT_SETTINGS.ping),
    logDirectory: pick('logDir', DEFAULT_SETTINGS.logDirectory),
    progress: pick('progress', DEFAULT_SETTINGS.progress),
    strict: pick('strict', DEFAULT_SETTINGS.strict),
  };
  return { settings, origins };
}

/** The strongest source with any `keep` rule gives the whole policy: rules of several places never add up. */
function joinKeep(layers: readonly Layer[], origins: Record<string, Origin>): KeepSettings {
  const rows = GLOBAL_ROWS.filter((row) => row.path[0] === 'keep');
  const layer = layers.find((candidate) => candidate.input.keep !== undefined && Object.keys(candidate.input.keep).length > 0);
  for (const row of rows)
    origins[row.path.join('.')] = layer === undefined ? DEFAULT_ORIGIN : { kind: layer.kind, where: layer.whereOf(row.path) };
  if (layer === undefined) return DEFAULT_SETTINGS.keep;
  const { within, ...counts } = layer.input.keep ?? {};
  return { ...NO_KEEP, ...withoutUndefined(counts), withinMs: within ?? null };
}

function withoutUndefined(counts: Readonly<Record<string, number | undefined>>): Partial<KeepSettings> {
  return Object.fromEntries(Object.entries(counts).filter(([, value]) => value !== undefined));
}

function blockOfModel(model: ComposeModel | null): SettingsBlock | null {
  const value = model?.extensions['x-mcads'];
  if (model === null || value === undefined || value === null) return null;
  const whereOf = (path: readonly string[]): string => {
    const where = model.whereIs(['x-mcads', ...path]);
    return where === null ? 'x-mcads' : printWhere(where);
  };
  return checkBlock('x-mcads', value, model.workingDirectory, whereOf);
}

/** A block that names services or volumes which the Compose files do not have. */
function unknownOwners(block: SettingsBlock, model: ComposeModel | null): readonly Problem[] {
  if (model === null) return [];
  const check = (key: 'services' | 'volumes', known: readonly string[]): readonly Problem[] =>
    Object.keys(block.input[key] ?? {})
      .filter((name) => !known.includes(name))
      .map((name) => ({
        where: block.whereOf([key, name]),
        setting: `${key}.${name}`,
        message: `the project has no ${key === 'services' ? 'service' : 'volume'} ${name}`,
        hint: suggestionHint(name, known),
      }));
  const known = Object.keys(model.services);
  const asserted = (block.input.assertions ?? []).flatMap(({ service }, index): readonly Problem[] =>
    known.includes(service)
      ? []
      : [
          {
            where: block.whereOf(['assertions', String(index), 'service']),
            setting: `assertions.${index}.service`,
            message: `the project has no service ${service}`,
            hint: suggestionHint(service, known),
          },
        ],
  );
  return [...check('services', known), ...check('volumes', Object.keys(model.volumes)), ...asserted];
}

function ownersOf(blocks: readonly SettingsBlock[], owner: SettingOwner, name: string): readonly ComponentLayer[] {
  const key = owner === 'service' ? 'services' : 'volumes';
  return blocks.flatMap((block) => {
    const all = block.input[key] ?? {};
    const input = Object.hasOwn(all, name) ? all[name] : undefined;
    return input === undefined
      ? []
      : [{ kind: block.kind, input, whereOf: (path: readonly string[]) => block.whereOf([key, name, ...path]) }];
  });
}

function quiesceOf(settings: GlobalSettings, origins: Readonly<Record<string, Origin>>) {
  const origin = origins['quiesce'] ?? DEFAULT_ORIGIN;
  const value: QuiesceMode | null = settings.quiesce;
  if (value === null) return { forced: null, fallback: null };
  const wins = origin.kind === 'flag' || origin.kind === 'environment';
  return { forced: wins ? { value, origin } : null, fallback: wins ? null : { value, origin } };
}

function labelLocator(owner: SettingOwner, name: string, model: ComposeModel | null): (label: string) => string {
  return (label) => {
    // A container may carry a label that its file no longer has.
    const written = owner === 'service' ? model?.services[name]?.labels : model?.volumes[name]?.labels;
    const path = [owner === 'service' ? 'services' : 'volumes', name, 'labels', label];
    const where = written !== undefined && Object.hasOwn(written, label) ? (model?.whereIs(path) ?? null) : null;
    return where === null ? `label ${label} of ${owner} ${name}` : printWhere(where);
  };
}

function warningOf(problem: Problem): Finding {
  return { severity: 'warning', code: 'unknown-variable', subject: problem.setting, message: problem.message, hint: problem.hint };
}

function errorOf(problems: readonly Problem[]): McadsError {
  const [first] = problems;
  if (problems.length === 1 && first !== undefined)
    return new McadsError('config', first.message, { where: first.where, hint: first.hint });
  const lines = problems.map(
    (problem) => `  ${problem.where}: ${problem.message}${problem.hint === undefined ? '' : ` (${problem.hint})`}`,
  );
  return new McadsError('config', `${problems.length} problems in the settings:\n${lines.join('\n')}`, { where: first?.where });
}
