import type { JsonValue } from '../domain/byte-stream.ts';
import type { Assertion } from '../domain/drill.ts';
import { Secret } from '../domain/secret.ts';
import type { Config } from './config.ts';
import type { ResolvedSettings } from './component-settings.ts';
import { DEFAULT_ORIGIN } from './setting.ts';

export interface SettingWithOrigin {
  readonly name: string;
  readonly value: JsonValue;
  readonly origin: string;
}

const MILLISECONDS = /Ms$/;

/** Every global setting, durations as text, in the order of the file. */
export function globalSettings(config: Config): readonly SettingWithOrigin[] {
  const rows: SettingWithOrigin[] = [];
  for (const [name, value] of Object.entries(config.settings)) {
    if (name === 'keep') {
      for (const [rule, amount] of Object.entries(config.settings.keep)) rows.push(rowOf(`keep.${rule}`, amount, config));
    } else {
      const shown = value instanceof Secret ? value.toString() : (value as JsonValue); // all others are JSON values
      rows.push(rowOf(name === 'logDirectory' ? 'logDir' : name, shown, config));
    }
  }
  return rows;
}

/** What somebody set for one service or volume. */
export function componentSettings(name: string, resolved: ResolvedSettings): readonly SettingWithOrigin[] {
  const { settings } = resolved;
  const values: Readonly<Record<string, JsonValue>> = {
    enable: settings.enable,
    engine: settings.engine,
    'postgres.user': settings.postgres.user,
    'postgres.passwordFile': settings.postgres.passwordFile,
    'postgres.port': settings.postgres.port,
    'postgres.databases': settings.postgres.databases,
    exclude: settings.exclude,
    quiesce: settings.quiesce,
    consistency: settings.consistency,
    'exec.before': settings.execBefore,
    'exec.after': settings.execAfter,
    'exec.timeout': durationText(settings.execTimeoutMs),
    'exec.user': settings.execUser,
    ...Object.fromEntries((settings.assertions ?? []).flatMap(claimsOf)),
  };
  return Object.entries(resolved.origins).map(([setting, origin]) => ({
    name: `${name}.${setting}`,
    value: values[setting] ?? null,
    origin: origin.where,
  }));
}

function claimsOf(assertion: Assertion): readonly (readonly [string, JsonValue])[] {
  switch (assertion.kind) {
    case 'sql':
      return [
        ['assert.sql', assertion.sql],
        ['assert.database', assertion.database],
        ['assert.expect', assertion.expect],
      ];
    case 'http':
      return [
        ['assert.http', assertion.url],
        ['assert.status', assertion.status],
        ['assert.contains', assertion.contains],
      ];
    case 'command':
      return [['assert.command', assertion.argv]];
  }
}

function rowOf(name: string, value: JsonValue, config: Config): SettingWithOrigin {
  const plain = name.replace(MILLISECONDS, '');
  const origin = config.origins[plain] ?? DEFAULT_ORIGIN;
  return { name: plain, value: MILLISECONDS.test(name) && typeof value === 'number' ? durationText(value) : value, origin: origin.where };
}

/** The shortest exact form that the settings accept: `90s`, `5m`, `30d`. */
export function durationText(milliseconds: number): string {
  const units: readonly (readonly [string, number])[] = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ];
  const unit = units.find(([, length]) => milliseconds >= length && milliseconds % length === 0);
  return unit === undefined ? `${milliseconds}ms` : `${milliseconds / unit[1]}${unit[0]}`;
}
