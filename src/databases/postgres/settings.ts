import type { JsonValue } from '../../domain/byte-stream.ts';
import { isJsonObject } from '../../domain/byte-stream.ts';
import type { Finding } from '../../domain/finding.ts';
import type { PsqlSession } from './psql-session.ts';
import { CHANGED_SETTINGS, HBA_RULES } from './queries.ts';
import type { Server } from './server.ts';

/** Stands among the settings for what pg_hba.conf says: a digest of its rules. */
const HBA = 'pg_hba.conf';
/** They follow from the machine, the image or the cluster itself. */
const NOT_CHOSEN =
  /^(?:.*_(?:file|directory)|lc_.*|TimeZone|log_timezone|DateStyle|default_text_search_config|dynamic_shared_memory_type)$/;
const MOST_NAMED = 10;

/** Settings that somebody changed, by name; no dump holds them. */
export async function changedSettings(session: PsqlSession, { facts }: Pick<Server, 'facts'>): Promise<Readonly<Record<string, string>>> {
  const settings = (await session.json(CHANGED_SETTINGS)) as Readonly<Record<string, string>>; // the JSON that our own query builds
  if (!facts.isSuperuser) return settings;
  const rules = await session.json(HBA_RULES);
  return typeof rules === 'string' ? { ...settings, [HBA]: rules } : settings;
}

/** What a server that was made anew has otherwise than the recorded one: it came back with its data, and without its configuration. */
export function settingsFinding(service: string, recorded: JsonValue | undefined, here: Readonly<Record<string, string>>): Finding | null {
  if (!isJsonObject(recorded)) return null;
  const names = [...new Set([...Object.keys(recorded), ...Object.keys(here)])]
    .filter((name) => !NOT_CHOSEN.test(name) && recorded[name] !== here[name] && (name !== HBA || (name in recorded && name in here)))
    .toSorted();
  if (names.length === 0) return null;
  const told = names.slice(0, MOST_NAMED).map((name) => (name === HBA ? `${HBA} (other rules)` : `${name} (was ${text(recorded[name])})`));
  return {
    severity: 'warning',
    code: 'server-settings',
    subject: `service ${service}`,
    message: `the server is not configured as the recorded one was: ${told.join(', ')}${names.length > MOST_NAMED ? ', …' : ''}`,
    hint: 'no dump holds what alter system and files in the data directory say: set it again, or give it to the service in the Compose file',
  };
}

function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : 'the default';
}
