import { resolve } from 'node:path';
import { NO_HOST_SETTINGS, type HostSettings } from '../domain/host.ts';
import type { FileInput } from './schema.ts';
import type { Origin } from './setting.ts';

type HostInput = NonNullable<FileInput['host']>;

/** A block that may hold host settings. */
interface HostLayer {
  readonly kind: Origin['kind'];
  readonly input: FileInput;
  readonly whereOf: (path: readonly string[]) => string;
}

/** Joins the `host:` blocks of `x-mcads` and `mcads.yaml`, strongest first, key by key, and notes where each comes from. */
export function joinHost(layers: readonly HostLayer[], origins: Record<string, Origin>): HostSettings {
  const pick = <K extends keyof HostSettings & keyof HostInput>(key: K): HostSettings[K] => {
    const layer = layers.find(({ input }) => input.host?.[key] !== undefined);
    if (layer !== undefined) origins[`host.${key}`] = { kind: layer.kind, where: layer.whereOf(['host', key]) };
    return (layer?.input.host?.[key] as HostSettings[K] | undefined) ?? NO_HOST_SETTINGS[key]; // the schema's output has these types
  };
  return {
    profile: pick('profile'),
    paths: pick('paths'),
    databases: pick('databases'),
    exclude: pick('exclude'),
    services: pick('services'),
    components: pick('components'),
  };
}

/** Paths of the `host:` block belong to the folder of the file that holds them. */
export function withAbsoluteHostPaths<T extends FileInput>(input: T, directory: string, home: string): T {
  const { host } = input;
  if (host === undefined) return input;
  const absolute = (path: string): string => resolve(directory, /^~(?:\/|$)/.test(path) ? home + path.slice(1) : path);
  const place = (path: string | false | undefined): string | false => (typeof path === 'string' ? absolute(path) : false);
  return {
    ...input,
    host: {
      ...host,
      ...(host.paths === undefined ? {} : { paths: mapped(host.paths, place) }),
      ...(host.databases === undefined ? {} : { databases: host.databases.map(absolute) }),
      ...(host.components === undefined ? {} : { components: mapped(host.components, absolute) }),
    },
  };
}

function mapped<V, R>(record: Readonly<Record<string, V>>, change: (value: V) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
