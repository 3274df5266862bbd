import { createCipheriv } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';

/** A small seeded generator (mulberry32): the same seed gives the same data on every machine. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const WORDS =
  'patient scan image report finding normal chest lung heart left right upper lower opacity effusion model score threshold upload review doctor status'.split(
    ' ',
  );

export interface TreeRecipe {
  readonly files: number;
  readonly bytes: number;
  readonly seed: number;
}

/**
 * Writes the benchmark's tree: files in folders of 100; 95 % are texts of 0.5 to 8 KiB, the rest shares the remaining bytes,
 * half of those random (images), half repetitive (exports).
 */
export async function writeTree(directory: string, recipe: TreeRecipe): Promise<{ readonly files: number; readonly bytes: number }> {
  const random = generator(recipe.seed);
  const large = Math.max(1, Math.round(recipe.files * 0.05));
  const small = recipe.files - large;
  let bytes = 0;
  for (let i = 0; i < small; i += 1) {
    const size = 512 + Math.floor(random() * 7_680);
    bytes += await writeFileAt(directory, i, 'txt', text(random, size), size);
  }
  const share = Math.max(1, Math.floor((recipe.bytes - bytes) / large));
  for (let i = 0; i < large; i += 1) {
    const size = Math.floor(share * (0.5 + random()));
    const block = i % 2 === 0 ? noise(random, 1 << 20) : text(random, 1 << 20);
    bytes += await writeFileAt(directory, small + i, i % 2 === 0 ? 'jpg' : 'csv', block, size);
  }
  return { files: recipe.files, bytes };
}

async function writeFileAt(directory: string, index: number, extension: string, block: Buffer, size: number): Promise<number> {
  const folder = join(
    directory,
    `d${String(Math.floor(index / 10_000)).padStart(3, '0')}`,
    `d${String(Math.floor(index / 100) % 100).padStart(2, '0')}`,
  );
  await mkdir(folder, { recursive: true });
  await using file = await open(join(folder, `f${index}.${extension}`), 'w');
  for (let written = 0; written < size;) {
    const piece = block.subarray(0, Math.min(block.length, size - written));
    // Each repetition differs in its first bytes, so that no tool stores the file as one repeated chunk.
    block.writeUInt32LE((index * 1_000 + written) >>> 0, 0);
    await file.write(piece);
    written += piece.length;
  }
  return size;
}

export function text(random: () => number, size: number): Buffer {
  let out = '';
  while (out.length < size)
    out += `${WORDS[Math.floor(random() * WORDS.length)] ?? ''}${random() < 0.1 ? `=${Math.floor(random() * 10_000)}\n` : ' '}`;
  return Buffer.from(out.slice(0, size));
}

/** Texts of 0.5 to 4 KiB, a hundred in a folder. */
export async function writeSmallFiles(
  directory: string,
  recipe: { readonly files: number; readonly seed: number },
): Promise<{ readonly files: number; readonly bytes: number }> {
  const random = generator(recipe.seed);
  let bytes = 0;
  for (let i = 0; i < recipe.files; i += 1) {
    const size = 512 + Math.floor(random() * 4_096);
    bytes += await writeFileAt(directory, i, 'txt', text(random, size), size);
  }
  return { files: recipe.files, bytes };
}

/** Bytes that nothing compresses: the key stream of a cipher, which is fast enough for hundreds of megabytes. */
export function noise(random: () => number, size: number): Buffer {
  const key = Buffer.alloc(16);
  for (let i = 0; i < 16; i += 4) key.writeUInt32LE(Math.floor(random() * 4_294_967_296), i);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size));
}

/** SQL for a database of about `bytes` of table data: appended rows of text, numbers and times, as applications hold them. */
export function databaseSql(bytes: number): string {
  const rows = Math.max(1, Math.floor(bytes / 420));
  return `
create table studies (id bigint primary key, patient text not null, taken timestamptz not null, report text not null, score numeric(8,5));
insert into studies select i, 'patient-' || (i * 7919 % 1000003), timestamptz '2025-01-01' + i * interval '17 seconds',
  'study ' || i || ' ' || repeat(md5(i::text) || ' ' || md5((i * 31)::text) || ' ', 5), (i % 100000) / 100000.0
from generate_series(1::bigint, ${rows}) i;
create index on studies (patient);
create table audit (id bigserial, at timestamptz default now(), what text);
insert into audit (what) select 'login ' || md5(i::text) from generate_series(1::bigint, ${Math.max(1, Math.floor(rows / 10))}) i;
analyze;
`;
}
