import { anything, either, fields, listOf, named, scalar, unprinted } from './shape.ts';
import type { Shape } from './shape.ts';
import {
  bytes,
  command,
  duration,
  durationUnlessZero,
  extraHosts,
  flag,
  fraction,
  healthTest,
  keptNumber,
  keptWhole,
  labels,
  number,
  oneOf,
  string,
  stringOrInteger,
  stringOrNumber,
  stringOrStrings,
  strings,
  uniqueStrings,
  variables,
  whole,
} from './shape-values.ts';
import { integer, isText, list, map, text } from './tree.ts';
import type { TreeNode } from './tree.ts';

/** The mappings inside a service: how each is written and printed. */

/** A short form is text until it is canonical; afterwards it is the mapping that `long` describes. */
export function shortOr(long: Shape): Shape {
  return either({ string, map: long });
}

export const fileMounts: Shape = listOf(shortOr(fields({ source: string, target: string, uid: string, gid: string, mode: keptNumber })));

const limit: Shape = {
  ...either({
    int: { check: () => undefined, render: (node) => (node.kind === 'scalar' && node.value === 0 ? map([], node.where) : node) },
    string: keptWhole,
    map: fields({ soft: whole, hard: whole }, { required: ['soft', 'hard'] }),
  }),
};
export const ulimits: Shape = named(limit, { pattern: /^[a-z]+$/ });

export const hooks: Shape = listOf(fields({ command, user: string, privileged: flag, working_dir: string, environment: variables }));

export const build: Shape = either({
  string,
  map: fields({
    context: string,
    dockerfile: string,
    dockerfile_inline: string,
    entitlements: strings,
    args: variables,
    ssh: either({ list: uniqueStrings, map: { check: () => undefined, render: renderSsh } }),
    labels,
    cache_from: strings,
    cache_to: strings,
    no_cache: flag,
    no_cache_filter: stringOrStrings,
    additional_contexts: labels,
    network: string,
    provenance: anything,
    sbom: anything,
    pull: flag,
    target: string,
    shm_size: bytes,
    extra_hosts: extraHosts,
    isolation: string,
    privileged: flag,
    secrets: fileMounts,
    tags: strings,
    ulimits,
    platforms: strings,
  }),
});

function renderSsh(node: TreeNode): TreeNode | undefined {
  if (node.kind !== 'map' || node.entries.size === 0) return undefined;
  const keys = [...node.entries].map(([id, { node: path, where }]) =>
    text(isText(path) && path.value !== '' ? `${id}=${path.value}` : id, where),
  );
  return list(keys, node.where);
}

const throttle = listOf(fields({ path: string, rate: bytes }, { extensions: false, printAs: { path: 'Path', rate: 'Rate' } }));

/** Go prints these without names of their own. */
export const blkio: Shape = fields(
  {
    weight: whole,
    weight_device: listOf(fields({ path: string, weight: whole }, { extensions: false, printAs: { path: 'Path', weight: 'Weight' } })),
    device_read_bps: throttle,
    device_read_iops: throttle,
    device_write_bps: throttle,
    device_write_iops: throttle,
  },
  { extensions: false },
);

/** A list of names, or names with their settings; always printed as the latter. */
export function byName(settings: Shape): Shape {
  return either({
    list: uniqueStrings,
    map: named(either({ null: { check: () => undefined, render: () => undefined }, map: settings }), {
      pattern: /^[a-zA-Z0-9._-]+$/,
      keepEmpty: true,
    }),
  });
}

export const dependsOn: Shape = either({
  list: uniqueStrings,
  map: named(
    fields(
      {
        condition: oneOf(['service_started', 'service_healthy', 'service_completed_successfully']),
        restart: flag,
        required: scalar(['bool'], (node) => node),
      },
      { required: ['condition'] },
    ),
    { pattern: /^[a-zA-Z0-9._-]+$/ },
  ),
});

export const networks: Shape = byName(
  fields({
    aliases: uniqueStrings,
    ipv4_address: string,
    ipv6_address: string,
    link_local_ips: uniqueStrings,
    mac_address: string,
    driver_opts: labels,
    interface_name: string,
    priority: number,
    gw_priority: number,
  }),
);

export const envFiles: Shape = unprinted(
  either({
    string,
    list: listOf(shortOr(fields({ path: string, format: string, required: flag }, { extensions: false, required: ['path'] }))),
  }),
);

export const logging: Shape = fields({ driver: string, options: labels });

export const ports: Shape = listOf(
  either({
    int: stringOrNumber,
    float: stringOrNumber,
    string,
    map: fields({
      name: string,
      mode: string,
      host_ip: string,
      target: whole,
      published: stringOrInteger,
      protocol: string,
      app_protocol: string,
    }),
  }),
  { unique: true },
);

export const volumes: Shape = listOf(
  shortOr(
    fields(
      {
        type: string,
        source: string,
        target: string,
        read_only: flag,
        consistency: string,
        bind: fields({
          selinux: oneOf(['z', 'Z']),
          propagation: string,
          create_host_path: flag,
          recursive: oneOf(['enabled', 'disabled', 'writable', 'readonly']),
        }),
        volume: fields({ labels, nocopy: flag, subpath: string }),
        tmpfs: fields({ size: bytes, mode: number }),
        image: fields({ subpath: string }),
      },
      { required: ['type'] },
    ),
  ),
  { unique: true },
);

export const devices: Shape = listOf(shortOr(fields({ source: string, target: string, permissions: string }, { required: ['source'] })));

const deviceCount: Shape = scalar(
  ['string', 'int'],
  (node) => {
    if (isText(node) && node.value.toLowerCase() === 'all') return integer(-1, node.where);
    return whole.render(node);
  },
  (node) => (isText(node) && !/^(all|-?\d+)$/i.test(node.value) ? 'must be "all" or a number' : undefined),
);

const deviceRequest = {
  capabilities: uniqueStrings,
  driver: string,
  count: deviceCount,
  device_ids: uniqueStrings,
  options: labels,
};

export const gpus: Shape = either({ string: oneOf(['all']), list: listOf(fields(deviceRequest)) });

const update: Shape = fields({
  parallelism: keptWhole,
  delay: durationUnlessZero,
  failure_action: string,
  monitor: durationUnlessZero,
  max_failure_ratio: fraction,
  order: oneOf(['start-first', 'stop-first']),
});

export const deploy: Shape = fields(
  {
    mode: string,
    replicas: keptWhole,
    labels,
    update_config: update,
    rollback_config: update,
    resources: fields(
      {
        limits: fields({ cpus: fraction, memory: bytes, pids: whole }),
        reservations: fields({
          cpus: fraction,
          memory: bytes,
          generic_resources: listOf(fields({ discrete_resource_spec: fields({ kind: string, value: keptNumber }) })),
          devices: listOf(fields(deviceRequest, { required: ['capabilities'] })),
        }),
      },
      { always: true },
    ),
    restart_policy: fields({ condition: string, delay: duration, max_attempts: keptWhole, window: duration }),
    placement: fields(
      { constraints: strings, preferences: listOf(fields({ spread: string })), max_replicas_per_node: whole },
      { always: true },
    ),
    endpoint_mode: string,
  },
  { nullable: true },
);

export const healthcheck: Shape = fields({
  test: healthTest,
  timeout: duration,
  interval: duration,
  retries: keptNumber,
  start_period: duration,
  start_interval: duration,
  disable: flag,
});

export const develop: Shape = fields(
  {
    watch: listOf(
      fields(
        {
          path: string,
          action: oneOf(['sync', 'rebuild', 'restart', 'sync+restart', 'sync+exec']),
          target: string,
          exec: fields({ command, user: string, privileged: flag, working_dir: string, environment: variables }, { always: true }),
          ignore: stringOrStrings,
          include: stringOrStrings,
          initial_sync: flag,
        },
        { required: ['path', 'action'] },
      ),
    ),
  },
  { nullable: true },
);

export const extendsReference: Shape = either({
  string,
  map: fields({ service: string, file: string }, { required: ['service'], extensions: false }),
});

export const credentialSpec: Shape = fields({ config: string, file: string, registry: string });
export const provider: Shape = fields({ type: string, options: anything }, { required: ['type'] });
