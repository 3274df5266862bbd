import { isUtf8 } from 'node:buffer';
import type { Bytes } from '../domain/byte-stream.ts';
import type { CatalogueEntry } from '../domain/manifest.ts';
import type { RawPath } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { toRaw, toText } from './raw-path.ts';

type Encoded<K extends string> = { readonly [key in K | `${K}64`]?: string };

/** `{path}` where the bytes are UTF-8, else `{path64}`. */
export function encodeRaw<K extends 'path' | 'target' | 'link'>(key: K, raw: RawPath): Encoded<K> {
  // oxlint-disable-next-line no-control-regex -- ASCII needs no decoding
  if (/^[\x00-\x7f]*$/.test(raw)) return { [key]: raw } as Encoded<K>; // a computed key widens to string
  const bytes = Buffer.from(raw, 'latin1');
  const encoded = isUtf8(bytes) ? { [key]: bytes.toString('utf8') } : { [`${key}64`]: bytes.toString('base64') };
  return encoded as Encoded<K>; // as above
}

/** The raw bytes of `path`, `target` or `link`; null where the entry has none. */
export function decodeRaw(entry: CatalogueEntry, key: 'path' | 'target' | 'link'): RawPath | null {
  const text = entry[key];
  if (text !== undefined) return toRaw(text);
  const base64 = entry[`${key}64`];
  return base64 === undefined ? null : Buffer.from(base64, 'base64').toString('latin1');
}

/** The path for people: bytes that are not UTF-8 become replacement characters. */
export function printableRaw(raw: RawPath): string {
  return raw === '' ? '.' : toText(raw);
}

/** An entry and the index of the segment of the data artifact that holds its member. */
export interface LocatedEntry extends CatalogueEntry {
  readonly segment: number;
}

/** Entries of a catalogue artifact in order. Throws `damaged` for a line that is no entry. */
export async function* parseCatalogue(body: Bytes): AsyncGenerator<LocatedEntry> {
  const decoder = new TextDecoder();
  let rest = '';
  let segment = -1;
  for await (const bytes of body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const entry = parseLine(line);
      if (entry.next === true) segment += 1;
      if (segment < 0) throw damaged(line);
      yield { ...entry, segment };
    }
  }
  if (rest !== '') throw damaged(rest);
}

function parseLine(line: string): CatalogueEntry {
  let entry: Partial<CatalogueEntry>;
  try {
    entry = JSON.parse(line) as Partial<CatalogueEntry>; // our own lines; what is used below is checked
  } catch {
    throw damaged(line);
  }
  if ((entry.path ?? entry.path64) === undefined || typeof entry.type !== 'string') throw damaged(line);
  return entry as CatalogueEntry; // checked above
}

function damaged(line: string): McadsError {
  return new McadsError('damaged', `a catalogue line cannot be understood: ${line.slice(0, 100)}`, {
    hint: 'run verify to see what is damaged; the data itself can still be read with tar',
  });
}
