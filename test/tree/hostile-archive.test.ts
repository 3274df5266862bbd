import { mkdtempSync, mkdirSync, readdirSync, rmSync, writeFileSync, existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { gnuTarExtractor } from '../../src/host/tar-extract.ts';
import { extract } from '../../src/pipeline/extract.ts';
import { openRepository } from '../../src/repository/open-repository.ts';
import { encodePax, encodePaxMember, encodeTarHeader, paddedSize } from '../../src/stream/tar-header.ts';
import { makeManifest, NEVER, toComponentId } from '../support/repository-fixture.ts';

const MEDIA = 'volume/media';
let base: string;
let outside: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'mcads-hostile-'));
  outside = join(base, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'secret'), 'untouched');
});

afterEach(() => rmSync(base, { recursive: true, force: true }));

function member(name: string, type: string, { linkName = '', content = '' } = {}): Buffer {
  const header = encodeTarHeader({ name, type, mode: 0o644, uid: 0, gid: 0, size: content.length, mtime: 0, linkName });
  return Buffer.concat([header, Buffer.from(content.padEnd(paddedSize(content.length), '\0'), 'latin1')]);
}

const file = (name: string): Buffer => member(name, '0', { content: 'evil' });
const symlink = (name: string, target: string): Buffer => member(name, '2', { linkName: target });
const pax = (records: Readonly<Record<string, string>>): Buffer => encodePaxMember(Object.entries(records), './PaxHeaders/x');

function globalPax(records: Readonly<Record<string, string>>): Buffer {
  return member('./g', 'g', { content: encodePax(Object.entries(records)).toString('latin1') });
}

/** Extracts a snapshot that somebody made by hand of these members, all of it or one path. */
async function extractMembers(members: readonly Buffer[], path: string | null): Promise<void> {
  await using repository = await openRepository({ path: join(base, 'repo'), mode: 'write', create: true, lockTimeoutMs: 1000 });
  const name = 'demo_backup_20260101_000000';
  {
    await using writer = await repository.begin(name, 'demo', NEVER);
    const bytes = Buffer.concat([member('./', '5'), ...members, Buffer.alloc(1024)]);
    const data = writer.artifact('data', 'tar');
    const { ref } = await writer.putChunk(bytes);
    await data.add({ fingerprint: null, bytes: bytes.length, chunks: [ref] });
    const artifacts = [await data.finish()];
    await writer.commit(makeManifest(repository.id, name, [{ id: toComponentId(MEDIA), artifacts }]), 'by hand\n');
  }
  const selections = [{ component: MEDIA, path }];
  const request = { snapshot: name, selections, target: join(base, 'out'), overwrite: true, output: async () => undefined };
  await extract(repository, request, () => undefined, NEVER, gnuTarExtractor());
}

const HOSTILE: Readonly<Record<string, () => readonly Buffer[]>> = {
  'an absolute name': () => [file(join(outside, 'new'))],
  'a name with ..': () => [file('./a/../../outside/new')],
  'a name that is ..': () => [member('..', '5')],
  'an absolute name in a pax header': () => [pax({ path: join(outside, 'new') }), file('./harmless')],
  'a name with .. after a harmless one in two pax headers': () => [pax({ path: '../new' }), pax({ path: './ok' }), file('./x')],
  'a name for all later members': () => [globalPax({ path: '../outside/new' }), file('./x')],
  'a file below a symlink': () => [symlink('./a', outside), file('./a/new')],
  'a file below a symlink, with others between': () => [
    symlink('./d/a', '../../outside'),
    file('./e'),
    member('./d', '5'),
    file('./d/a/new'),
  ],
  'a file below a symlink under another spelling': () => [symlink('./d/./a', outside), file('./d/a/new')],
  'a file below a second name of a symlink': () => [symlink('./a', outside), member('./b', '1', { linkName: './a' }), file('./b/new')],
  'a link to a file outside': () => [member('./l', '1', { linkName: join(outside, 'secret') }), file('./l')],
  'a link to a file outside through ..': () => [member('./l', '1', { linkName: './../../outside/secret' })],
  'a link to a file below a symlink': () => [symlink('./a', outside), member('./l', '1', { linkName: './a/secret' })],
  'a member of an unknown type': () => [member('./v', 'V')],
};

test.each(Object.keys(HOSTILE))('an archive with %s is refused as damaged and changes nothing outside', async (what) => {
  for (const path of [null, 'a']) {
    const members = [...(HOSTILE[what]?.() ?? []), file('./a0'), ...(path === null ? [] : [file('./a')])];
    await expect(extractMembers(members, path)).rejects.toMatchObject({ code: 'damaged' });
    rmSync(join(base, 'repo'), { recursive: true });
    expect(readdirSync(outside)).toEqual(['secret']);
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('untouched');
    expect(readdirSync(base).filter((name) => name !== 'out')).toEqual(['outside']);
  }
});

test('symlinks that lead anywhere are stored and come back as they are: only what goes through them is refused', async () => {
  await extractMembers([symlink('./abs', '/etc/passwd'), symlink('./up', '../..'), member('./hard', '1', { linkName: './up' })], null);
  expect(readdirSync(join(base, 'out', MEDIA)).toSorted()).toEqual(['abs', 'hard', 'up']);
  expect(existsSync(join(base, 'out', MEDIA, 'up'))).toBe(true);
});
