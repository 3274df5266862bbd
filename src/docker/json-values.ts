import { isJsonObject, type JsonObject, type JsonValue } from '../domain/byte-stream.ts';

/** Values of recorded inspect JSON; what is missing or of another type is the empty one. */

export function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

export function count(value: JsonValue | undefined): number {
  return typeof value === 'number' ? value : 0;
}

export function flag(value: JsonValue | undefined): boolean {
  return value === true;
}

export function record(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

export function list(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]) : []; // Array.isArray forgets the element type of readonly arrays
}

export function texts(value: JsonValue | undefined): readonly string[] {
  return list(value).filter((one) => typeof one === 'string');
}
