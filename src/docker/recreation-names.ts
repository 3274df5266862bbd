import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import type { JsonObject } from '../domain/byte-stream.ts';
import type { EngineState } from '../domain/engine-model.ts';
import type { RecreationOptions } from '../domain/restore.ts';
import {
  COMPOSE_CONFIG_FILES,
  COMPOSE_ENVIRONMENT_FILE,
  COMPOSE_NETWORK,
  COMPOSE_NUMBER,
  COMPOSE_PROJECT,
  COMPOSE_SERVICE,
  COMPOSE_VOLUME,
  COMPOSE_WORKING_DIR,
} from './labels.ts';
import { labelsOf, objectAt, textAt } from './recreation-json.ts';

const ANONYMOUS = /^[0-9a-f]{64}$/;
/** Networks that every engine has. */
export const BUILT_IN_NETWORKS: ReadonlySet<string> = new Set(['bridge', 'host', 'none', 'default', 'ingress']);

/** What everything of a recorded project is called when it is made again, and where its files are. */
export class RecreationNames {
  readonly options: RecreationOptions;
  readonly changes = new Set<string>();
  readonly #volumes = new Map<string, string>();
  readonly #networks = new Map<string, string>();
  readonly #containers = new Map<string, string>();
  readonly #paths: readonly { readonly from: string; readonly to: string }[];

  constructor(state: EngineState, containers: readonly JsonObject[], options: RecreationOptions) {
    this.options = options;
    const { binds, directory } = options;
    this.#paths = [...binds, ...(directory === null ? [] : [directory])].toSorted((a, b) => b.from.length - a.from.length);
    this.#nameVolumes(state.volumes);
    this.#nameNetworks(state.networks);
    for (const container of containers) {
      const name = this.#containerName(container);
      this.#containers.set(textAt(container, 'Id'), name);
      this.#containers.set(recordedName(container), name);
    }
  }

  tell(change: string): void {
    this.changes.add(change);
  }

  volume(name: string): string {
    return this.#volumes.get(name) ?? name;
  }

  /** By name or id. */
  network(reference: string): string {
    return this.#networks.get(reference) ?? reference;
  }

  /** By id, the start of one, or name; null for one that is none of the recorded ones. */
  container(reference: string): string | null {
    const plain = reference.replace(/^\//, '');
    const exact = this.#containers.get(plain);
    if (exact !== undefined || !/^[0-9a-f]{12,}$/.test(plain)) return exact ?? null;
    for (const [known, name] of this.#containers) if (known.startsWith(plain)) return name;
    return null;
  }

  path(path: string): string {
    const rule = this.#ruleFor(path);
    return rule === undefined ? path : posix.join(rule.to, posix.relative(rule.from, path));
  }

  /** It has a place of its own in the new project. */
  isOwnPath(path: string): boolean {
    return this.#ruleFor(path) !== undefined;
  }

  /** Compose labels with the new project and the new places of its files. */
  labels(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    const { from, to } = this.options.project;
    return Object.fromEntries(
      Object.entries(labels).map(([key, value]) => {
        if (key === COMPOSE_PROJECT) return [key, value === from ? to : value];
        if (key === COMPOSE_WORKING_DIR) return [key, this.path(value)];
        if (key === COMPOSE_CONFIG_FILES || key === COMPOSE_ENVIRONMENT_FILE) {
          const moved = value.split(',').map((path) => (posix.isAbsolute(path) ? this.path(path) : path)); // relative with Compose 1, `-` for stdin
          return [key, moved.join(',')];
        }
        return [key, value];
      }),
    );
  }

  #ruleFor(path: string) {
    return this.#paths.find(({ from }) => path === from || path.startsWith(from === '/' ? from : `${from}/`));
  }

  #nameVolumes(volumes: readonly JsonObject[]): void {
    const taken = new Set<string>();
    const { project, beside } = this.options;
    // Compose's own first: they keep their names, the others make way.
    for (const volume of volumes.toSorted((a, b) => Number(isOwned(b, project.from)) - Number(isOwned(a, project.from)))) {
      const name = textAt(volume, 'Name');
      const key = labelsOf(volume)[COMPOSE_VOLUME] ?? '';
      let wanted = name;
      if (isOwned(volume, project.from)) wanted = this.#renamed(name, key);
      else if (!beside) wanted = name;
      else if (ANONYMOUS.test(name)) wanted = createHash('sha256').update(`${project.to}\0${name}`).digest('hex');
      else wanted = `${project.to}_${name}`;
      const free = firstFree(wanted, taken);
      if (free !== name && !ANONYMOUS.test(name) && !isOwned(volume, project.from))
        this.tell(`external volume ${name} becomes ${free}, a private copy`);
      this.#volumes.set(name, free);
    }
  }

  #nameNetworks(networks: readonly JsonObject[]): void {
    const taken = new Set<string>();
    const { project, beside } = this.options;
    for (const network of networks.toSorted((a, b) => Number(isOwned(b, project.from)) - Number(isOwned(a, project.from)))) {
      const name = textAt(network, 'Name');
      let wanted = name;
      if (BUILT_IN_NETWORKS.has(name)) wanted = name;
      else if (isOwned(network, project.from)) wanted = this.#renamed(name, labelsOf(network)[COMPOSE_NETWORK] ?? '');
      else if (beside) wanted = `${project.to}_${name}`;
      const free = firstFree(wanted, taken);
      if (free !== name && !isOwned(network, project.from)) this.tell(`external network ${name} becomes ${free}, a private one`);
      this.#networks.set(name, free);
      this.#networks.set(textAt(network, 'Id'), free);
    }
  }

  /** Names that Compose made from the project follow it; names that somebody chose stay, but never beside the original. */
  #renamed(name: string, key: string): string {
    const { project, beside } = this.options;
    if (project.from === project.to) return name;
    if (name.startsWith(`${project.from}_`)) return `${project.to}_${name.slice(project.from.length + 1)}`;
    return beside ? `${project.to}_${key === '' ? name : key}` : name;
  }

  #containerName(container: JsonObject): string {
    const { project, beside } = this.options;
    const name = recordedName(container);
    if (project.from === project.to) return name;
    const made = /^[-_]/.test(name.slice(project.from.length)) && name.startsWith(project.from);
    if (made) return `${project.to}${name.slice(project.from.length)}`;
    if (!beside) return name;
    const labels = labelsOf(objectAt(container, 'Config'));
    const fresh = `${project.to}-${labels[COMPOSE_SERVICE] ?? name}-${labels[COMPOSE_NUMBER] ?? '1'}`;
    this.tell(`container name ${name} of ${labels[COMPOSE_SERVICE] ?? name} becomes ${fresh}`);
    return fresh;
  }
}

export function isOwned(json: JsonObject, project: string): boolean {
  return labelsOf(json)[COMPOSE_PROJECT] === project;
}

export function recordedName(container: JsonObject): string {
  return textAt(container, 'Name').replace(/^\//, '');
}

function firstFree(wanted: string, taken: Set<string>): string {
  let name = wanted;
  for (let count = 2; taken.has(name); count += 1) name = `${wanted}_${count}`;
  taken.add(name);
  return name;
}
