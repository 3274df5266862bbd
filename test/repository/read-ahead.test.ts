import { mkdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, afterAll, describe, expect, test } from 'vitest';
import type { ManifestArtifact } from '../../src/domain/manifest.ts';
import type { McadsError } from '../../src/errors.ts';
import { openRepository } from '../../src/repository/open-repository.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { backUp, NEVER, noise, putArtifact, readBack } from '../support/repository-fixture.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

const NAME = 'shop_backup_20260101_000000';
/** Far more than is read ahead, so threads read it. */
const LARGE = noise(7, 24 * 1024 * 1024);

let folder: TemporaryFolder;
let repository: Repository;
let artifact: ManifestArtifact;
let ids: readonly string[];

beforeAll(async () => {
  folder = await temporaryFolder();
  repository = await openRepository({ path: folder.path, mode: 'write', create: true });
  const manifest = await backUp(repository, NAME, { 'volume/media': LARGE });
  const data = manifest.components[0]?.artifacts[0];
  if (data === undefined) throw new Error('no artifact');
  artifact = data;
  const [segment] = await Array.fromAsync(repository.segments(artifact, NEVER));
  ids = segment?.chunks.map(([id]) => id) ?? [];
});
afterAll(async () => {
  await repository[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const pathOf = (id: string): string => join(folder.path, 'chunks', id.slice(0, 2), id);

async function failureOf(work: Promise<unknown>): Promise<McadsError> {
  return work.then(
    () => expect.fail('it ended well'),
    (error: unknown) => error as McadsError, // what a repository rejects with
  );
}

describe('a large artifact', () => {
  test('comes back whole and in order', async () => {
    expect((await readBack(repository, NAME))['volume/media']?.equals(LARGE)).toBe(true);
  });

  test('may be left in the middle, and read again', async () => {
    for await (const bytes of repository.read(artifact, NEVER)) {
      expect(LARGE.subarray(0, bytes.length).equals(bytes)).toBe(true);
      break;
    }
    expect((await Array.fromAsync(repository.read(artifact, NEVER))).reduce((sum, { length }) => sum + length, 0)).toBe(LARGE.length);
  });

  test.for<[string, string, object, (path: string) => Promise<void>]>([
    ['is missing', 'damaged', { problem: 'missing' }, unlink],
    ['has a flipped bit', 'damaged', { problem: 'damaged' }, flipBit],
    ['is empty', 'damaged', { problem: 'damaged' }, async (path) => writeFile(path, '')],
    ['is another one', 'damaged', { problem: 'damaged' }, async (path) => writeFile(path, await readFile(pathOf(ids[0] ?? '')))],
    ['cannot be read', 'store-failed', { errno: 'EISDIR' }, intoFolder],
  ])('of which a chunk %s: what is before it comes, then the error that names it', async ([, code, context, damage]) => {
    const id = ids[12] ?? '';
    const original = await readFile(pathOf(id));
    await damage(pathOf(id));
    let bytes = 0;
    const reading = async (): Promise<void> => {
      for await (const { length } of repository.read(artifact, NEVER)) bytes += length;
    };
    const error = await failureOf(reading());
    expect(error).toMatchObject({ code, context });
    expect(error.message).toContain(id);
    expect(bytes).toBeGreaterThan(12 * 256 * 1024 - 1);
    await rm(pathOf(id), { recursive: true, force: true });
    await writeFile(pathOf(id), original);
  });

  test('is read by the run that stores it before anything has its name', async () => {
    await using other = await temporaryFolder();
    await using fresh = await openRepository({ path: other.path, mode: 'write', create: true });
    await using writer = await fresh.begin(NAME, 'shop', NEVER);
    const stored = await putArtifact(writer, LARGE);
    expect(Buffer.concat(await Array.fromAsync(writer.read(stored))).equals(LARGE)).toBe(true);
  });
});

async function intoFolder(path: string): Promise<void> {
  await unlink(path);
  await mkdir(path);
}

async function flipBit(path: string): Promise<void> {
  const bytes = await readFile(path);
  const at = bytes.length >> 1;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(path, bytes);
}
