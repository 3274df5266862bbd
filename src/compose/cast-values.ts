import { InterpolationError } from './interpolate-text.ts';
import { bool, float, integer } from './tree.ts';
import type { ScalarNode, TreeNode } from './tree.ts';

type Cast = (node: ScalarNode & { readonly value: string }) => TreeNode;

const TRUE = new Set(['true', 'y', 'yes', 'on']);
const FALSE = new Set(['false', 'n', 'no', 'off']);

const toInt: Cast = (node) => {
  if (!/^[-+]?\d+$/.test(node.value)) throw new InterpolationError(`invalid number: ${JSON.stringify(node.value)}`);
  return integer(Number(node.value), node.where);
};

const toFloat: Cast = (node) => {
  if (!/^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$/.test(node.value)) {
    throw new InterpolationError(`invalid number: ${JSON.stringify(node.value)}`);
  }
  return float(Number(node.value), node.where);
};

const toBool: Cast = (node) => {
  const value = node.value.toLowerCase();
  if (TRUE.has(value)) return bool(true, node.where);
  if (FALSE.has(value)) return bool(false, node.where);
  throw new InterpolationError(`invalid boolean: ${JSON.stringify(node.value)}`);
};

/** Text (quoted or interpolated) at these paths is read as the number or boolean that it spells. */
const CASTS: readonly (readonly [pattern: string, cast: Cast])[] = [
  ['services.*.configs.[].mode', toInt],
  ['services.*.cpu_count', toInt],
  ['services.*.cpu_percent', toFloat],
  ['services.*.cpu_period', toInt],
  ['services.*.cpu_quota', toInt],
  ['services.*.cpu_rt_period', toInt],
  ['services.*.cpu_rt_runtime', toInt],
  ['services.*.cpus', toFloat],
  ['services.*.cpu_shares', toInt],
  ['services.*.init', toBool],
  ['services.*.deploy.replicas', toInt],
  ['services.*.deploy.update_config.parallelism', toInt],
  ['services.*.deploy.update_config.max_failure_ratio', toFloat],
  ['services.*.deploy.rollback_config.parallelism', toInt],
  ['services.*.deploy.rollback_config.max_failure_ratio', toFloat],
  ['services.*.deploy.restart_policy.max_attempts', toInt],
  ['services.*.deploy.placement.max_replicas_per_node', toInt],
  ['services.*.healthcheck.retries', toInt],
  ['services.*.healthcheck.disable', toBool],
  ['services.*.oom_kill_disable', toBool],
  ['services.*.oom_score_adj', toInt],
  ['services.*.pids_limit', toInt],
  ['services.*.ports.[].target', toInt],
  ['services.*.privileged', toBool],
  ['services.*.read_only', toBool],
  ['services.*.scale', toInt],
  ['services.*.secrets.[].mode', toInt],
  ['services.*.stdin_open', toBool],
  ['services.*.tty', toBool],
  ['services.*.ulimits.*', toInt],
  ['services.*.ulimits.*.hard', toInt],
  ['services.*.ulimits.*.soft', toInt],
  ['services.*.volumes.[].read_only', toBool],
  ['services.*.volumes.[].volume.nocopy', toBool],
  ['networks.*.external', toBool],
  ['networks.*.internal', toBool],
  ['networks.*.attachable', toBool],
  ['networks.*.enable_ipv4', toBool],
  ['networks.*.enable_ipv6', toBool],
  ['volumes.*.external', toBool],
  ['secrets.*.external', toBool],
  ['configs.*.external', toBool],
];

const BY_LENGTH = Map.groupBy(
  CASTS.map(([pattern, cast]) => ({ segments: pattern.split('.'), cast })),
  ({ segments }) => segments.length,
);

/** `node` as the type that Compose wants at `path` (list items are `[]`). Throws an InterpolationError. */
export function castByPath(node: ScalarNode & { readonly value: string }, path: readonly string[]): TreeNode {
  const found = BY_LENGTH.get(path.length)?.find(({ segments }) =>
    segments.every((segment, index) => segment === '*' || segment === path[index]),
  );
  return found === undefined ? node : found.cast(node);
}
