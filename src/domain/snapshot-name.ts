import type { StrategyName } from './manifest.ts';

export interface SnapshotName {
  readonly full: string;
  readonly project: string;
  readonly strategy: StrategyName;
  /** `YYYYMMDD_HHMMSS`, UTC. */
  readonly time: string;
}

const PATTERN = /^(.+?)_(system_)?backup_(\d{8}_\d{6})$/s;

/** `<project>_backup_<time>` (docker) or `<project>_system_backup_<time>` (host), time in UTC. */
export function snapshotName(project: string, strategy: StrategyName, at: Date): SnapshotName {
  const iso = at.toISOString();
  const time = `${iso.slice(0, 10).replaceAll('-', '')}_${iso.slice(11, 19).replaceAll(':', '')}`;
  return { full: `${project}_${strategy === 'host' ? 'system_' : ''}backup_${time}`, project, strategy, time };
}

/** Null where the text is no snapshot name. */
export function parseSnapshotName(text: string): SnapshotName | null {
  const match = PATTERN.exec(text);
  if (match === null) return null;
  const [, project, system, time] = match;
  if (project === undefined || time === undefined || timeOf(time) === null) return null;
  return { full: text, project, strategy: system === undefined ? 'docker' : 'host', time };
}

/** The instant that `YYYYMMDD_HHMMSS` names in UTC, null for an impossible one. */
export function timeOf(time: string): Date | null {
  const match = /^(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)$/.exec(time);
  if (match === null) return null;
  const [, y, mo, d, h, mi, s] = match;
  const iso = `${y}-${mo}-${d}T${h}:${mi}:${s}.000Z`;
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) || at.toISOString() !== iso ? null : at;
}
