import { isJsonObject, type JsonObject, type JsonValue } from '../domain/byte-stream.ts';

/** Recorded JSON comes from engines of many versions: what is not there, or is something else, reads as empty. */
export function objectAt(json: JsonObject, key: string): JsonObject {
  const value = json[key];
  return isJsonObject(value) ? value : {};
}

export function listAt(json: JsonObject, key: string): readonly JsonValue[] {
  const value = json[key];
  return Array.isArray(value) ? (value as readonly JsonValue[]) : []; // isArray makes it any[]
}

export function objectsAt(json: JsonObject, key: string): readonly JsonObject[] {
  return listAt(json, key).filter(isJsonObject);
}

export function textsAt(json: JsonObject, key: string): readonly string[] {
  return listAt(json, key).filter((value) => typeof value === 'string');
}

export function textAt(json: JsonObject, key: string): string {
  const value = json[key];
  return typeof value === 'string' ? value : '';
}

export function labelsOf(json: JsonObject): Readonly<Record<string, string>> {
  return textMapAt(json, 'Labels');
}

export function textMapAt(json: JsonObject, key: string): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(objectAt(json, key)).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

export function without(json: JsonObject, ...keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(json).filter(([key]) => !keys.includes(key)));
}
