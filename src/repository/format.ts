import { randomBytes, randomUUID } from 'node:crypto';
import type { ChunkerSettings } from '../domain/ports.ts';
import { McadsError, messageOf } from '../errors.ts';

/* Keys of format 1; the one place that knows where things lie. */

export const REPOSITORY_KEY = 'repository.json';
/** The same bytes once more: without its configuration nothing of a repository can be used. */
export const REPOSITORY_COPY_KEY = 'repository.json.copy';
export const RECOVERY_KEY = 'RECOVERY.md';
export const CHUNKS = 'chunks/';
export const SEGMENTS = 'segments/';
export const SNAPSHOTS = 'snapshots/';
export const LOCKS = 'locks/';
export const BAD_SUFFIX = '.bad';

export function chunkKey(id: string): string {
  return `${CHUNKS}${id.slice(0, 2)}/${id}`;
}

/** Pages and copies of manifests. */
export function pageKey(id: string): string {
  return `${SEGMENTS}${id.slice(0, 2)}/${id}`;
}

export function manifestKey(name: string): string {
  return `${SNAPSHOTS}${name}/manifest.json`;
}

export function manifestDigestKey(name: string): string {
  return `${SNAPSHOTS}${name}/manifest.json.sha256`;
}

export function verificationKey(name: string): string {
  return `${SNAPSHOTS}${name}/verification.txt`;
}

/** Evidence of one drill; `time` sorts as text. */
export function evidenceKey(name: string, time: string): string {
  return `${SNAPSHOTS}${name}/drills/${time}.json`;
}

/** The id that a key under `chunks/` or `segments/` names; null for anything else, `.bad` ones included. */
export function idOfKey(key: string): string | null {
  const id = key.slice(key.lastIndexOf('/') + 1);
  return /^[0-9a-f]{64}$/.test(id) ? id : null;
}

/* Features: a reader refuses a read feature that it does not know, a writer also a write feature. */
const KNOWN_READ: readonly string[] = [];
const KNOWN_WRITE: readonly string[] = [];

export interface Features {
  readonly read: readonly string[];
  readonly write: readonly string[];
}

export interface RepositoryConfig {
  readonly format: 1;
  readonly features: Features;
  readonly id: string;
  readonly created: string;
  readonly chunker: ChunkerSettings;
  readonly compression: { readonly algorithm: 'zstd'; readonly level: number };
  readonly encryption: null;
}

export const CHUNK_SIZES = { minBytes: 256 * 1024, averageBytes: 1024 * 1024, maxBytes: 4 * 1024 * 1024 } as const;
/** No chunk is larger. */
export const MAX_CHUNK_BYTES = CHUNK_SIZES.maxBytes;

/**
 * Decision: level 3. Processor seconds per GB and ratio of `compressFrameSync` on the benchmark's set A (files of a Debian /usr and noise, mixed),
 * best of three on a shared machine, with the allocator as `src/launch.ts` sets it:
 *
 * | level | chunks of 64 KiB | chunks of 1 MiB |
 * |---|---|---|
 * | 1 | 2.3, 1.69 | 1.8, 1.72 |
 * | 2 | 2.4, 1.71 | 2.1, 1.76 |
 * | 3 | 2.8, 1.72 | 2.7, 1.80 |
 *
 * Beside them decoding for the check takes 0.6 to 1.0 s, SHA-256 0.6 s, and everything else of a first backup about 8. Level 1 would save some 6 % of
 * the whole and store 2 to 5 % more (of exports and source code 5 to 13 % more), for as long as the snapshots are kept.
 * What each chunk cost before was the allocator, not the level: see `LEAN_MALLOC` there.
 */
const COMPRESSION_LEVEL = 3;

export function newRepositoryConfig(created: Date): RepositoryConfig {
  return {
    format: 1,
    features: { read: [], write: [] },
    id: randomUUID(),
    created: created.toISOString(),
    chunker: { seed: randomBytes(16).toString('hex'), ...CHUNK_SIZES },
    compression: { algorithm: 'zstd', level: COMPRESSION_LEVEL },
    encryption: null,
  };
}

/**
 * Parses `repository.json`. Rejects `newer-format` for a format or read feature of a later version, `damaged` for what is no configuration at all.
 */
export function parseRepositoryConfig(bytes: Uint8Array, location: string): RepositoryConfig {
  const config = parseObject(bytes, `${location}/${REPOSITORY_KEY}`) as Partial<RepositoryConfig>; // foreign JSON, checked field by field below
  assertReadable(config, `the repository ${location}`);
  const { chunker, compression } = config;
  if (
    typeof config.id !== 'string' ||
    typeof chunker?.seed !== 'string' ||
    !Number.isInteger(chunker.minBytes) ||
    !Number.isInteger(chunker.averageBytes) ||
    !Number.isInteger(chunker.maxBytes) ||
    chunker.maxBytes > MAX_CHUNK_BYTES ||
    compression?.algorithm !== 'zstd' ||
    !Number.isInteger(compression.level)
  ) {
    throw new McadsError('damaged', `${location}/${REPOSITORY_KEY} lacks what format 1 requires`, {
      hint: 'Put the file back from a copy of the repository; the data itself needs only RECOVERY.md.',
    });
  }
  if (config.encryption !== null && config.encryption !== undefined) throw newer(`the repository ${location}`, 'encryption');
  return config as RepositoryConfig; // every field was checked above
}

/** Names the write features of this repository that we do not know: with any, it can be read only. */
export function unknownWriteFeatures(features: Features): readonly string[] {
  return features.write.filter((feature) => !KNOWN_WRITE.includes(feature));
}

/** Rejects `newer-format` for a format or read feature that this version does not know. */
export function assertReadable(what: { readonly format?: unknown; readonly features?: Features | undefined }, subject: string): void {
  if (typeof what.format === 'number' && what.format > 1) throw newer(subject, `format ${what.format}`);
  if (what.format !== 1 || !Array.isArray(what.features?.read) || !Array.isArray(what.features.write)) {
    throw new McadsError('damaged', `${subject} is not of format 1`, { hint: 'Run verify to see what else is damaged.' });
  }
  const unknown = what.features.read.filter((feature) => !KNOWN_READ.includes(feature));
  if (unknown.length > 0) throw newer(subject, `feature ${unknown.join(', ')}`);
}

function newer(subject: string, what: string): McadsError {
  return new McadsError('newer-format', `${subject} was written by a newer version: ${what} is unknown here`, {
    hint: 'Update mcads-orchestrate on this machine.',
  });
}

/** A JSON object; rejects `damaged` for anything else. */
export function parseObject(bytes: Uint8Array, subject: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch (error) {
    throw new McadsError('damaged', `${subject} is not JSON: ${messageOf(error)}`, {
      cause: error,
      hint: 'Run verify to see what else is damaged.',
    });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new McadsError('damaged', `${subject} is not a JSON object`);
  return value as Readonly<Record<string, unknown>>; // an object, as checked
}
