import type { ArchivedFile, ArchiveManifest } from '../domain/archive.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../domain/byte-stream.ts';
import { parseComponentId } from '../domain/component.ts';
import type { Manifest } from '../domain/manifest.ts';
import { McadsError } from '../errors.ts';

const FORMATS: readonly string[] = ['tar', 'pgdump', 'sql', 'json', 'jsonl', 'sqlite', 'text'];

export function archiveManifestBytes(manifest: ArchiveManifest): Buffer {
  return Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`);
}

/**
 * Parses `mcads_manifest.json`. Anybody may have written it: what import and the reports rely on is checked. Rejects `newer-format` for an
 * archive of a later version and `damaged` for anything else that does not fit.
 */
export function parseArchiveManifest(bytes: Uint8Array, archive: string): ArchiveManifest {
  const value = parseJson(bytes, archive);
  if (typeof value['archive'] === 'number' && value['archive'] > 1)
    throw new McadsError('newer-format', `${archive} was written by a newer version`, { hint: 'update mcads-orchestrate on this machine' });
  const { files, snapshot } = value;
  if (value['archive'] !== 1 || !Array.isArray(files) || !files.every(isArchivedFile) || !isSnapshot(snapshot)) throw damaged(archive);
  return value as unknown as ArchiveManifest; // every field that is used was checked above
}

function parseJson(bytes: Uint8Array, archive: string): JsonObject {
  let value: JsonValue;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8')) as JsonValue; // what JSON.parse makes
  } catch {
    throw damaged(archive);
  }
  if (!isJsonObject(value)) throw damaged(archive);
  return value;
}

function isArchivedFile(value: JsonValue): boolean {
  if (!isJsonObject(value)) return false;
  const { file, component, format, prefix, bytes, sha256 } = value as { readonly [key in keyof ArchivedFile]?: JsonValue };
  return (
    typeof file === 'string' &&
    (component === null || (typeof component === 'string' && parseComponentId(component) !== null)) &&
    typeof format === 'string' &&
    FORMATS.includes(format) &&
    typeof prefix === 'string' &&
    typeof bytes === 'number' &&
    typeof sha256 === 'string'
  );
}

function isSnapshot(value: JsonValue | undefined): boolean {
  if (!isJsonObject(value) || value['format'] !== 1 || typeof value['name'] !== 'string' || typeof value['repository'] !== 'string')
    return false;
  const { sealed, components, features } = value as { readonly [key in keyof Manifest]?: JsonValue };
  if (!isJsonObject(features) || !isJsonObject(sealed) || !Array.isArray(components) || !components.every(isComponent)) return false;
  const { stats, tool, host } = sealed;
  return (
    hasTexts(sealed, ['project', 'strategy', 'completeness', 'startedAt', 'finishedAt']) &&
    isDate(sealed['startedAt']) &&
    isDate(sealed['finishedAt']) &&
    isJsonObject(tool) &&
    hasTexts(tool, ['name', 'version']) &&
    isJsonObject(host) &&
    hasTexts(host, ['name', 'platform', 'node']) &&
    isJsonObject(stats) &&
    ['bytes', 'newBytes', 'seconds', 'newChunks'].every((key) => typeof stats[key] === 'number') &&
    (sealed['engine'] === null || isJsonObject(sealed['engine'])) &&
    (sealed['workingDirectory'] === null || typeof sealed['workingDirectory'] === 'string') &&
    isJsonObject(sealed['environment']) &&
    isListOf(sealed['failed'], ['id', 'status', 'reason']) &&
    isListOf(sealed['uncovered'], ['subject', 'reason']) &&
    isListOf(sealed['findings'], FINDING) &&
    isJsonObject(sealed['components']) &&
    Object.values(sealed['components']).every(isDetails)
  );
}

const FINDING = ['severity', 'code', 'subject', 'message'];

function isComponent(value: JsonValue): boolean {
  if (!isJsonObject(value) || typeof value['id'] !== 'string' || parseComponentId(value['id']) === null) return false;
  const { artifacts } = value;
  return (
    Array.isArray(artifacts) &&
    artifacts.every(
      (one: JsonValue) =>
        isJsonObject(one) &&
        hasTexts(one, ['name', 'format', 'digest']) &&
        typeof one['format'] === 'string' &&
        FORMATS.includes(one['format']),
    )
  );
}

function isDetails(value: JsonValue): boolean {
  return (
    isJsonObject(value) &&
    hasTexts(value, ['outcome', 'how', 'because', 'consistency', 'startedAt', 'finishedAt']) &&
    typeof value['bytes'] === 'number' &&
    typeof value['storedBytes'] === 'number' &&
    isJsonObject(value['facts']) &&
    isListOf(value['findings'], FINDING)
  );
}

function isListOf(value: JsonValue | undefined, keys: readonly string[]): boolean {
  return Array.isArray(value) && value.every((one: JsonValue) => isJsonObject(one) && hasTexts(one, keys));
}

function hasTexts(value: JsonObject, keys: readonly string[]): boolean {
  return keys.every((key) => typeof value[key] === 'string');
}

function isDate(value: JsonValue | undefined): boolean {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value));
}

function damaged(archive: string): McadsError {
  return new McadsError('damaged', `the manifest inside ${archive} cannot be understood`, {
    hint: 'the archive was damaged or changed; nothing was imported',
  });
}
