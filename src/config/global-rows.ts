import type { TextKind } from './text-value.ts';

/** One setting of a whole run: its place in the file, its variable and its flag. */
export interface GlobalRow {
  readonly path: readonly string[];
  readonly variable: string;
  readonly flag: string;
  readonly kind: TextKind;
  /** Relative values belong to the folder of the file that holds them, or the current one. */
  readonly isPath: boolean;
}

function row(path: string, flag: string, kind: TextKind = 'text', isPath = false): GlobalRow {
  return { path: path.split('.'), variable: `MCADS_${flag.replaceAll('-', '_').toUpperCase()}`, flag: `--${flag}`, kind, isPath };
}

export const GLOBAL_ROWS: readonly GlobalRow[] = [
  { ...row('project', 'project-name'), variable: 'MCADS_PROJECT' },
  row('repository', 'repository', 'text', true),
  row('strategy', 'strategy'),
  row('context', 'context'),
  row('keep.last', 'keep-last', 'number'),
  row('keep.hourly', 'keep-hourly', 'number'),
  row('keep.daily', 'keep-daily', 'number'),
  row('keep.weekly', 'keep-weekly', 'number'),
  row('keep.monthly', 'keep-monthly', 'number'),
  row('keep.yearly', 'keep-yearly', 'number'),
  row('keep.within', 'keep-within'),
  row('files', 'files', 'list'),
  row('exclude', 'exclude', 'list'),
  row('images', 'images'),
  row('archive', 'archive', 'flag'),
  row('transport', 'transport'),
  row('helperImage', 'helper-image'),
  row('jobs', 'jobs', 'number'),
  row('limitRate', 'limit-rate'),
  row('helperCpuWeight', 'helper-cpu-weight', 'number'),
  row('helperIoWeight', 'helper-io-weight', 'number'),
  row('quiesce', 'quiesce'),
  row('keepOld', 'keep-old'),
  row('lockTimeout', 'lock-timeout'),
  row('maxAge', 'max-age'),
  row('maxProofAge', 'max-proof-age'),
  row('ping', 'ping'),
  row('logDir', 'log-dir', 'text', true),
  row('progress', 'progress'),
  row('strict', 'strict', 'flag'),
];

export function rowAt(path: readonly string[]): GlobalRow | undefined {
  return GLOBAL_ROWS.find((candidate) => candidate.path.every((step, index) => path[index] === step));
}
