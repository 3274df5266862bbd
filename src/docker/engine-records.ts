import { createHash, randomBytes } from 'node:crypto';
import type { VolumeJson } from './engine-api.ts';
import type { EngineClient } from './engine-client.ts';
import { CLAIM_PROJECT, RECORD, RECORD_AT, RECORD_DIGEST, RECORD_ID, RECORD_PART, RECORD_TEXT } from './labels.ts';
import { ownerLabel } from './owner.ts';
import type { TreeContext } from './tree-context.ts';
import { labelFilter } from './view-project.ts';

/** `restore`: how to go back on one that is under way. `kept`: what one replaced and can still be gone back to. */
export type RecordKind = 'restore' | 'kept';

export interface EngineRecord {
  readonly id: string;
  readonly project: string;
  /** ISO 8601 UTC. */
  readonly at: string;
  /** What was written; null for one that was only half written or half removed. */
  readonly text: string | null;
}

/** A label may be long, but a proxy or a listing should not choke on it. */
const PART_CHARACTERS = 32 * 1024;

/**
 * Writes a JSON text into the engine. Resolves with its id once all of it is there.
 *
 * Decision: a record is the labels of empty volumes, not of created containers as the claim and the undo of a backup are. It must outlive days
 * and a crash, and `docker system prune`, which many run every night, removes containers that do not run and leaves named volumes alone.
 */
export async function writeRecord(
  context: TreeContext,
  kind: RecordKind,
  project: string,
  text: string,
  signal: AbortSignal,
): Promise<string> {
  const id = randomBytes(8).toString('hex');
  const shared = { [RECORD]: kind, [RECORD_ID]: id, [CLAIM_PROJECT]: project, [RECORD_AT]: new Date().toISOString() };
  const safe = toAscii(text);
  const digest = digestOf(safe);
  const parts = Math.max(Math.ceil(safe.length / PART_CHARACTERS), 1);
  for (let part = 1; part <= parts; part += 1) {
    const labels = {
      ...shared,
      [RECORD_PART]: `${part}/${parts}`,
      [RECORD_DIGEST]: digest,
      [RECORD_TEXT]: safe.slice((part - 1) * PART_CHARACTERS, part * PART_CHARACTERS),
      ...ownerLabel(context.owner),
    };
    const body = { Name: `mcads-${kind}-${id}-${part}`, Driver: 'local', Labels: labels };
    await context.client.send('POST', '/volumes/create', { body }, 'writing a record', signal);
  }
  return id;
}

/** Records of a project (of all, where null), newest first; half ones too, which `text` tells. */
export async function readRecords(
  client: EngineClient,
  kind: RecordKind | null,
  project: string | null,
  signal: AbortSignal,
): Promise<readonly EngineRecord[]> {
  const filters = labelFilter(kind === null ? RECORD : `${RECORD}=${kind}`, ...(project === null ? [] : [`${CLAIM_PROJECT}=${project}`]));
  const byId = new Map<string, Readonly<Record<string, string>>[]>();
  for (const { Labels: labels } of await listVolumes(client, filters, signal)) {
    const id = labels?.[RECORD_ID];
    if (labels === null || labels === undefined || id === undefined) continue;
    byId.set(id, [...(byId.get(id) ?? []), labels]);
  }
  return [...byId].map(([id, parts]) => joined(id, parts)).toSorted((a, b) => (a.at === b.at ? 0 : a.at < b.at ? 1 : -1));
}

export async function removeRecord(client: EngineClient, id: string, signal: AbortSignal): Promise<void> {
  const volumes = await listVolumes(client, labelFilter(`${RECORD_ID}=${id}`), signal);
  for (const { Name: name } of volumes) {
    await client.send('DELETE', `/volumes/${encodeURIComponent(name)}`, {}, 'removing a record', signal, [404]);
  }
}

function joined(id: string, parts: readonly Readonly<Record<string, string>>[]): EngineRecord {
  const sorted = parts.toSorted((a, b) => partOf(a) - partOf(b));
  const first = sorted[0] ?? {};
  const text = sorted.map((labels) => labels[RECORD_TEXT] ?? '').join('');
  const isWhole = first[RECORD_PART] === `1/${sorted.length}` && digestOf(text) === first[RECORD_DIGEST];
  return { id, project: first[CLAIM_PROJECT] ?? '', at: first[RECORD_AT] ?? '', text: isWhole ? text : null };
}

async function listVolumes(client: EngineClient, filters: string, signal: AbortSignal): Promise<readonly VolumeJson[]> {
  const { Volumes: volumes } = await client.json<{ readonly Volumes?: readonly VolumeJson[] | null }>(
    'GET',
    '/volumes',
    { query: { filters } },
    'listing records',
    signal,
  );
  return volumes ?? [];
}

function partOf(labels: Readonly<Record<string, string>>): number {
  return Number.parseInt(labels[RECORD_PART] ?? '', 10);
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** In JSON everything beyond ASCII may be written with escapes, so that a text can be cut anywhere. */
function toAscii(json: string): string {
  return json.replace(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
