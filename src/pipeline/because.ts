import type { Because } from '../domain/manifest.ts';
import type { SettingsResult } from './requests.ts';

/** Who asked for a capture: the first of these places that has the setting, a label or a block of settings; else it was found. */
export function becauseOf(setting: string, ...places: readonly (SettingsResult | null)[]): Because {
  for (const place of places) {
    const kind = place?.origins?.[setting]?.kind;
    if (kind !== undefined) return kind === 'label' ? 'label' : 'configuration';
  }
  return 'detected';
}
