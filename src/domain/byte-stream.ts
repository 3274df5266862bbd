import type { Finding } from './finding.ts';

export type Bytes = AsyncIterable<Uint8Array>;

export interface Verdict {
  /** What restore and drill must know: versions, row counts, names. JSON values only. */
  readonly facts?: Readonly<Record<string, JsonValue>>;
  readonly findings?: readonly Finding[];
}

/**
 * Bytes and verdict. `body` ending says nothing; only `done` resolving says the producer ended well and everything arrived.
 * `done` carries a no-op catch from birth, so it may be awaited after `body`. Ending the iteration early stops the producer.
 */
export interface ByteStream<V = Verdict> {
  readonly body: Bytes;
  readonly done: Promise<V>;
  /** The pieces belong to whoever reads them: their memory may be given back as soon as they are read. */
  readonly givesPieces?: boolean;
}

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };
export type JsonObject = { readonly [key: string]: JsonValue };

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
