import { posix } from 'node:path';
import type { Finding } from '../domain/finding.ts';
import type { Manifest } from '../domain/manifest.ts';
import type { SnapshotRepository } from '../domain/ports.ts';
import type { PlannedFile, PlannedRestore, RestoredService, RestorePlan, TreePlace } from '../domain/restore.ts';
import type { RawPath } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { printableRaw } from '../stream/catalogue.ts';
import { adoptedFacts, adoptedPlace } from './adopted-place.ts';
import { ONE_NAME_HINT, otherPlace } from './other-place.ts';
import { assertNoneOutside, withoutOutside } from './outside-places.ts';
import { planHostDatabase } from './plan-restore-databases.ts';
import { actionOf, assertRoom, tornFindings, unreadFindings, unreadIn, wordsFor, type TreeRestorePlan } from './plan-restore-trees.ts';
import { lackingFindings } from './plan-recreation.ts';
import { assertOwnDirectory } from './own-directory.ts';
import { proofOf } from './proof-of.ts';
import { describeConfig, planConfig, type ConfigPlace } from './restore-config.ts';
import type { RestorePorts, RestoreRequest } from './restore-requests.ts';
import { selectForRestore, type SelectedForRestore } from './restore-selection.ts';
import { artifactsOf } from './select-components.ts';
import { toRaw } from '../stream/raw-path.ts';

/** What SQLite keeps beside a database: of the replaced one, and poison for the restored one. */
const SQLITE_COMPANIONS = ['-wal', '-shm', '-journal'];
const SHOWN_NAMES = 5;

/** What restoring a snapshot of an application on a host would do: files and databases in their places, units stopped meanwhile. */
export async function planRestoreOnHost(
  request: RestoreRequest,
  repository: SnapshotRepository,
  manifest: Manifest,
  ports: RestorePorts,
  signal: AbortSignal,
): Promise<RestorePlan> {
  if (request.as !== null) {
    throw new McadsError('usage', '--as makes a project on an engine; this snapshot is of a host', {
      hint: 'restore it elsewhere with --project-directory DIR',
    });
  }
  const selection = selectForRestore(request, manifest);
  const findings: Finding[] = selection.isWhole ? [...lackingFindings(manifest)] : [];
  const project = request.projectName ?? manifest.sealed.project;
  const place = await otherPlace(manifest, { directory: request.directory, machine: ports.engine.info.name }, ports.host);
  if (place !== null) {
    const message = `${manifest.name} is of ${place}, which is here too: its data would replace that of ${request.directory}`;
    findings.push({ severity: 'warning', code: 'other-directory', subject: manifest.name, message, hint: ONE_NAME_HINT });
  }
  const from = manifest.sealed.workingDirectory;
  // Archives of the old scripts do not say where their parts lay.
  const recorded = selection.components.flatMap(({ details: { facts } }) => (typeof facts['path'] === 'string' ? [facts['path']] : []));
  const within = recorded
    .filter((path) => from !== null && path.startsWith(`${from}/`))
    .map((path) => placeOf(path, manifest, request, []));
  await assertOwnDirectory(manifest, within, request, repository, ports);
  const trees: TreeRestorePlan[] = [];
  const others: PlannedRestore[] = [];
  for (const one of selection.components) {
    signal.throwIfAborted();
    if (one.kind === 'files' || one.kind === 'sqlite') {
      trees.push(await planPlace(one, manifest, request, repository, ports, signal, findings));
      findings.push(...tornFindings(one));
    } else others.push(await planOther(one, request, repository, ports, signal, findings));
  }
  await assertNoneOutside(trees, request, ports.host);
  assertRoom(trees);
  const byId = new Map([...trees.map((tree) => keepingOthers(tree, trees)), ...others].map((planned) => [planned.id, planned]));
  const components = selection.components.flatMap(({ id }) => byId.get(id) ?? []);
  const services = trees.length === 0 ? [] : await planUnits(project, ports, signal);
  findings.push(...(await stillOpen(trees, services, ports.host)));
  return {
    snapshot: manifest.name,
    takenAt: manifest.sealed.startedAt,
    completeness: manifest.sealed.completeness,
    proof: await proofOf(repository, manifest.name),
    project,
    engine: `${ports.engine.info.name}, without Docker`,
    onHost: true,
    directory: request.directory,
    beside: false,
    fresh: false,
    components,
    services,
    recreation: null,
    missingImages: [],
    safety: [],
    findings,
  };
}

/** A database goes aside with whoever has it open, and what is written there afterwards is in neither: nobody would be told. */
async function stillOpen(
  trees: readonly TreeRestorePlan[],
  services: readonly RestoredService[],
  host: RestorePorts['host'],
): Promise<readonly Finding[]> {
  const databases = trees.flatMap(({ target: { name, place } }) => (place.companions === undefined ? [] : [name]));
  const paths = await Promise.all(databases.map(async (path) => (await host.identify(path))?.realPath ?? path));
  const stopped = new Set(services.map(({ name }) => name));
  return (await host.openForWriting(paths))
    .filter(({ unit }) => unit === null || !stopped.has(unit))
    .map(({ path, pid, name }) => ({
      severity: 'warning',
      code: 'still-open',
      subject: path,
      message: `process ${pid} (${name}) has ${path} open and is of no service that is stopped: what it writes after the swap is lost`,
      hint: 'stop it first, or name its unit under `host: services:`',
    }));
}

/** Every unit of the application is stopped: all of them read what is replaced. In stop order. */
async function planUnits(project: string, { engine }: RestorePorts, signal: AbortSignal): Promise<readonly RestoredService[]> {
  const { containers } = await engine.viewProject(project, signal);
  return containers.map(({ name, state }) => ({ name, container: name, stops: true, ran: state === 'running' }));
}

async function planPlace(
  one: SelectedForRestore,
  manifest: Manifest,
  request: RestoreRequest,
  repository: SnapshotRepository,
  ports: RestorePorts,
  signal: AbortSignal,
  findings: Finding[],
): Promise<TreeRestorePlan> {
  const { id, kind, details } = one;
  const adopted = await adoptedPlace(one, manifest, request.directory, repository, ports.host, signal);
  const path = adopted?.path ?? placeOf(recordedPath(one, manifest), manifest, request, findings);
  const isFile = kind === 'sqlite' || details.facts['singleFile'] === true;
  const name = posix.basename(path);
  const place: TreePlace = {
    mount: { type: 'bind', hostPath: isFile ? posix.dirname(path) : path },
    singleFile: isFile ? name : null,
    ...(adopted !== null && adopted.names !== null ? { names: adopted.names } : {}),
    ...(kind === 'sqlite' ? { companions: SQLITE_COMPANIONS.map((suffix) => name + suffix) } : {}),
  };
  const options = { transport: request.transport, helperImage: null, projectImages: [] };
  const report = await ports.engine.probePlace(place, { ...options, findsRepositories: true }, signal);
  if (report.readOnly) throw new McadsError('component-failed', `${id}: ${path} is on a read-only filesystem`);
  const action = actionOf(report);
  const exclude = details.facts['exclude'];
  const unread = await unreadThere(one, path, ports, findings);
  return {
    id,
    action,
    how: adopted !== null && adopted.names !== null ? `puts ${shown(adopted.names)} into ${path}` : wordsFor(action, path),
    bytes: details.bytes,
    facts: adopted === null ? details.facts : adoptedFacts(details, report),
    target: {
      kind: 'tree',
      place,
      name: path,
      report,
      kept: isFile
        ? []
        : [
            ...new Set([
              ...report.nestedMounts,
              ...report.repositories,
              ...(await keptPaths(path, request, ports)),
              ...(adopted?.kept ?? []),
              ...unread,
            ]),
          ],
      keptGlobs: adopted?.keptGlobs ?? (Array.isArray(exclude) ? exclude.filter((glob) => typeof glob === 'string') : []),
      createsVolume: false,
    },
  };
}

/** What the backup could not read stays where it is there now. */
async function unreadThere(
  one: SelectedForRestore,
  path: string,
  { host }: RestorePorts,
  findings: Finding[],
): Promise<readonly RawPath[]> {
  const staying = new Set<string>();
  for (const name of unreadIn(one)) if ((await host.identify(posix.join(path, name))) !== null) staying.add(name);
  findings.push(...unreadFindings(one, staying));
  return [...staying].map(toRaw);
}

/** What another component brings below a tree is not the tree's: nothing of the tree's own, a symlink least of all, takes its place. */
function keepingOthers(tree: TreeRestorePlan, trees: readonly TreeRestorePlan[]): TreeRestorePlan {
  const { target } = tree;
  if (target.place.singleFile !== null) return tree;
  const below = trees
    .flatMap(({ target: { name, place } }) => [name, ...(place.companions ?? []).map((file) => posix.join(posix.dirname(name), file))])
    .filter((path) => path.startsWith(`${target.name}/`))
    .map((path) => toRaw(path.slice(target.name.length + 1)));
  return { ...tree, target: { ...target, kept: [...new Set([...target.kept, ...below])] } };
}

/** Of what comes into a directory where everything else stays. */
function shown(names: readonly RawPath[]): string {
  const some = names.slice(0, SHOWN_NAMES).map(printableRaw).join(', ');
  return names.length <= SHOWN_NAMES ? some : `${some} and ${names.length - SHOWN_NAMES} more`;
}

function recordedPath({ id, details }: SelectedForRestore, { name }: Manifest): string {
  const recorded = details.facts['path'];
  if (typeof recorded === 'string' && recorded.startsWith('/')) return posix.normalize(recorded);
  throw new McadsError('damaged', `${name} does not say where ${id} lay`);
}

/** What lay in the application's directory goes into the one that is restored to; anything else goes to where it was. */
function placeOf(path: string, { sealed }: Manifest, { directory }: RestoreRequest, findings: Finding[]): string {
  const from = sealed.workingDirectory;
  if (from !== null && (path === from || path.startsWith(`${from}/`))) return posix.join(directory, path.slice(from.length));
  if (from !== directory) {
    findings.push({
      severity: 'warning',
      code: 'outside-directory',
      subject: path,
      message: `${path} lies outside of the application's directory and goes back to its own place, not below ${directory}`,
      hint: 'leave it out with --component',
    });
  }
  return path;
}

/** The repository, the logs that are being written. Rejects `usage` where the place itself is one of them. */
async function keptPaths(path: string, { neverTouch }: RestoreRequest, { host }: RestorePorts): Promise<readonly RawPath[]> {
  const root = (await host.identify(path))?.realPath ?? path;
  const kept: RawPath[] = [];
  for (const own of neverTouch) {
    const real = (await host.identify(own))?.realPath ?? own;
    if (real !== root && real.startsWith(`${root}/`)) kept.push(toRaw(real.slice(root.length + 1)));
    else if (root.startsWith(`${real}/`)) {
      throw new McadsError('usage', `${path} lies inside ${own}, where backups are kept; it cannot be replaced`, {
        hint: 'leave it out with --component, or name another repository',
      });
    }
  }
  return kept;
}

async function planOther(
  one: SelectedForRestore,
  request: RestoreRequest,
  repository: SnapshotRepository,
  ports: RestorePorts,
  signal: AbortSignal,
  findings: Finding[],
): Promise<PlannedRestore> {
  const { id, kind, component, details } = one;
  const base = { id, bytes: details.bytes, facts: details.facts };
  if (kind === 'config') {
    const place: ConfigPlace = { directory: request.directory, replace: request.withConfig, unwritable: null };
    const recorded = await planConfig(repository, artifactsOf(component).data, place, ports.host, signal);
    const files = await withoutOutside(one, recorded, request, ports.host, findings);
    findings.push(...(await replacedLinks(files, request.directory, ports.host)));
    const changes = files.some(({ action }) => action === 'create' || action === 'replace');
    const action = !changes ? 'keep' : files.some((file) => file.action === 'replace') ? 'replace' : 'create';
    return { ...base, action, how: describeConfig(files, place), target: { kind: 'config', directory: request.directory, files } };
  }
  if (kind === 'database') return planHostDatabase(one, request, ports, signal, findings);
  return { ...base, action: 'keep', how: 'read: what the host was', target: { kind: 'state' } };
}

/** What is written is a file: of a shared one that a link leads to nothing changes. */
async function replacedLinks(files: readonly PlannedFile[], directory: string, host: RestorePorts['host']): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const { path, action } of files) {
    if (action !== 'replace') continue;
    const place = posix.resolve(directory, path);
    const [there, folder] = [await host.identify(place), await host.identify(posix.dirname(place))];
    if (there === null || folder === null || there.realPath === posix.join(folder.realPath, posix.basename(place))) continue;
    const message = `${path} is a symlink to ${there.realPath}; it becomes a file of its own, and that one stays as it is`;
    findings.push({
      severity: 'warning',
      code: 'config-link',
      subject: place,
      message,
      hint: 'put the link back afterwards, or restore without --with-config',
    });
  }
  return findings;
}
