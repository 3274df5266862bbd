import type { JsonValue } from '../domain/byte-stream.ts';
import type { EngineContainer } from '../domain/engine-model.ts';
import type { Finding } from '../domain/finding.ts';
import type { Consistency } from '../domain/manifest.ts';
import type { PlannedComponent, Project, QuiesceMode } from '../domain/plan.ts';
import { foreignUsersOf } from './foreign-users.ts';
import { mountKey, type ClusterMount } from './plan-databases.ts';
import { becauseOf } from './because.ts';
import type { PlanPorts, PlanRequest, SettingsResult } from './requests.ts';
import { hooksOf } from './service-views.ts';
import { escapeGlob } from '../stream/exclude-globs.ts';
import type { TreeCandidate } from './tree-candidates.ts';

const STRENGTH: readonly QuiesceMode[] = ['none', 'pause', 'stop'];

const HOOKS_AND_QUIESCE = {
  reason: 'mcads.exec.before and .after cannot be combined with mcads.quiesce: a frozen container runs no command',
  hint: 'use one of the two',
};

/** What is planned for a volume or bind that is to be captured. */
export function treeComponent(
  candidate: TreeCandidate,
  clusters: readonly ClusterMount[],
  project: Project,
  request: PlanRequest,
  ports: PlanPorts,
): PlannedComponent {
  // Files that nobody dumps decide how the rest of their mount is spoken of.
  const cluster = clusters.find(({ treatment }) => treatment !== 'dumped') ?? clusters[0] ?? null;
  const running = candidate.users.filter(mayWrite);
  const isPaused = candidate.users.some((user) => user.state === 'paused');
  const foreign = foreignUsers(candidate, project);
  const quiesce = strongest([
    candidate.settings?.settings.quiesce ?? null,
    ...[...candidate.views].map((view) => view.settings.settings.quiesce),
  ]);
  const accepted =
    candidate.settings?.settings.consistency === 'crash' ||
    [...candidate.views].some((view) => view.settings.settings.consistency === 'crash');
  const failure =
    candidate.settings?.failure ?? [...candidate.views].map((view) => view.settings.failure).find((one) => one !== null) ?? null;
  const hooks = [...candidate.views].flatMap((view) => hooksOf(view, view.containers.slice(0, 1)));
  const findings = [
    ...foreignFinding(candidate, foreign, quiesce),
    ...engineFinding(candidate, running, quiesce, accepted, cluster, ports),
  ];
  const excluded = [
    ...(candidate.settings?.settings.exclude ?? []),
    ...[...candidate.views].flatMap((view) => view.settings.settings.exclude),
    ...request.exclude,
  ];
  for (const { treatment, relative } of clusters) if (treatment === 'dumped') excluded.push(escapeGlob(relative));
  if (isProjectBind(candidate, project)) excluded.push('**/__pycache__');
  return {
    id: candidate.id,
    method: { kind: 'tree', mount: candidate.mount, exclude: [...new Set(excluded)] },
    how: `files of ${candidate.name}${cluster === null || cluster.treatment === 'dumped' ? '' : `, database files ${cluster.treatment === 'cold' ? 'captured cold' : 'as a crash copy'}`}`,
    // A service that is switched off is no reason for what another one uses.
    because: becauseOf('enable', ...[candidate.settings, ...[...candidate.views].map((view) => view.settings)].filter(isSwitchedOn)),
    bytes: null,
    consistency: consistencyOf(running.length + foreign.length, isPaused, quiesce, accepted, cluster),
    users: candidate.users.map((user) => user.id),
    quiesce,
    findings,
    settings: candidate.settings?.settings ?? [...candidate.views][0]?.settings.settings ?? null,
    failure: failure ?? (hooks.length > 0 && quiesce !== 'none' ? HOOKS_AND_QUIESCE : undefined),
    hooks,
    facts: { ...factsOf(candidate, cluster), exclude: [...new Set(excluded)] },
  };
}

function isSwitchedOn(place: SettingsResult | null): boolean {
  return place?.settings.enable === true;
}

function factsOf(candidate: TreeCandidate, cluster: ClusterMount | null): Readonly<Record<string, JsonValue>> {
  const facts: Record<string, JsonValue> = { targets: [...candidate.targets].toSorted() };
  if (candidate.volume !== null) {
    const { name, driver, options, labels } = candidate.volume;
    facts['volume'] = { name, driver, options, labels };
  }
  if (candidate.mount.type === 'bind') facts['hostPath'] = candidate.mount.hostPath;
  if (cluster !== null) facts['cluster'] = { treatment: cluster.treatment, relative: cluster.relative, ...cluster.facts };
  return facts;
}

function mayWrite(user: EngineContainer): boolean {
  return user.state === 'running' || user.state === 'restarting';
}

/** Containers of other projects and one-off runs of this one: they use the mount and are neither stopped nor paused. */
function foreignUsers(
  candidate: TreeCandidate,
  project: Project,
): readonly { readonly container: string; readonly project: string | null }[] {
  const own = project.engineInfo?.ownContainer;
  const others = foreignUsersOf(candidate.mount, project.engine, own?.name);
  const oneOffs = (project.engine?.containers ?? []).filter(
    (one) =>
      (one.oneOff || one.service === null) &&
      one.id !== own?.id &&
      mayWrite(one) &&
      one.mounts.some((mount) => mountKey(mount) === candidate.key),
  );
  return [...others, ...oneOffs.map(({ name }) => ({ container: name, project: project.name }))];
}

function consistencyOf(
  users: number,
  isPaused: boolean,
  quiesce: QuiesceMode,
  accepted: boolean,
  cluster: ClusterMount | null,
): Consistency {
  if (cluster?.treatment === 'cold') return 'cold';
  if (cluster?.treatment === 'crash') return 'crash';
  if (users === 0) return isPaused ? 'paused' : 'cold';
  if (quiesce === 'stop') return 'stopped';
  if (quiesce === 'pause') return 'paused';
  return accepted ? 'crash' : 'live';
}

/** A running engine without an adapter whose files would be read under it. */
function engineFinding(
  candidate: TreeCandidate,
  running: readonly EngineContainer[],
  quiesce: QuiesceMode,
  accepted: boolean,
  cluster: ClusterMount | null,
  ports: PlanPorts,
): readonly Finding[] {
  if (quiesce !== 'none' || accepted || cluster !== null) return [];
  const found = running
    .map((user) => ({ user, engine: ports.recognise(user) }))
    .find((one) => one.engine !== null && mayHoldData(one.user, candidate));
  if (found === undefined || found.engine === null) return [];
  const setting = [...candidate.views].some((view) => view.settings.settings.engine === 'none');
  if (setting) return [];
  return [
    {
      severity: 'error',
      code: 'engine-read-live',
      subject: candidate.id,
      message: `${found.engine} runs in ${found.user.name} while its files are read: this copy may not start again`,
      hint: `label the service mcads.quiesce=stop (or pause), or accept it with mcads.consistency=crash`,
    },
  ];
}

/** Engines get their configuration through binds too; those are read-only or named for it. */
function mayHoldData(user: EngineContainer, candidate: TreeCandidate): boolean {
  if (candidate.mount.type === 'volume') return true;
  return user.mounts.some(
    (mount) =>
      mountKey(mount) === candidate.key &&
      !mount.readOnly &&
      !/entrypoint|initdb|\/etc(\/|$)|conf|cert|ssl|secret|script|plugin|\.\w{1,5}$/i.test(mount.target),
  );
}

function foreignFinding(
  candidate: TreeCandidate,
  foreign: readonly { readonly container: string; readonly project: string | null }[],
  quiesce: QuiesceMode,
): readonly Finding[] {
  if (foreign.length === 0 || quiesce === 'none') return [];
  const names = foreign.map((user) => `${user.container}${user.project === null ? '' : ` (project ${user.project})`}`).join(', ');
  return [
    {
      severity: 'warning',
      code: 'foreign-writer',
      subject: candidate.id,
      message: `${names} also uses this volume and is neither stopped nor paused`,
      hint: 'stop it yourself, or back up that project too',
    },
  ];
}

function strongest(modes: readonly (QuiesceMode | null)[]): QuiesceMode {
  return modes.reduce<QuiesceMode>(
    (best, mode) => (mode !== null && STRENGTH.indexOf(mode) > STRENGTH.indexOf(best) ? mode : best),
    'none',
  );
}

function isProjectBind(candidate: TreeCandidate, project: Project): boolean {
  if (candidate.mount.type !== 'bind' || project.directory === null) return false;
  const path = candidate.mount.hostPath;
  return path === project.directory || path.startsWith(`${project.directory}/`);
}
