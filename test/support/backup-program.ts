/*
 * A backup as a program, to be killed: `node backup-program.ts <repository> <snapshot> <seed> <megabytes> <flush bytes>`.
 * Prints a line per stored chunk, `committing` and `committed`.
 */
import { parseSnapshotName } from '../../src/domain/snapshot-name.ts';
import { openRepository } from '../../src/repository/open-repository.ts';
import { ContentChunker, gearTable } from '../../src/stream/content-chunker.ts';
import type { ChunkRef } from '../../src/domain/tree.ts';
import { makeManifest, NEVER, noise, toComponentId } from './repository-fixture.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const [path = '', name = '', seed = '0', megabytes = '1', flushBytes = '0'] = process.argv.slice(2);
await using repository = await openRepository({ path, mode: 'write', create: true, flushBytes: Number(flushBytes) });
await using writer = await repository.begin(name, parseSnapshotName(name)?.project ?? '', NEVER);
const chunker = new ContentChunker(gearTable(writer.chunker.seed), writer.chunker);
const stored: Promise<ChunkRef>[] = [];
const put = async (chunk: Uint8Array | null): Promise<void> => {
  if (chunk === null) return;
  await writer.room();
  const putting = writer.putChunk(chunk).then(({ ref }) => ref);
  putting.catch(() => undefined); // awaited below
  stored.push(putting);
  say(`chunk ${stored.length}`);
};
for (let i = 0; i < Number(megabytes); i += 1) for (const chunk of chunker.push(noise(Number(seed) + i, 1_000_000))) await put(chunk);
await put(chunker.end());
const chunks = await Promise.all(stored);
const artifact = writer.artifact('data', 'sql');
await artifact.add({ fingerprint: null, bytes: chunks.reduce((sum, [, length]) => sum + length, 0), chunks });
const component = { id: toComponentId('database/db/mcads'), artifacts: [await artifact.finish()] };
say('committing');
await writer.commit(makeManifest(repository.id, name, [component]), 'ok\n');
say('committed');
