import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { encodePaxMember, encodeTarHeader, paddedSize, TRAILER } from '../../src/stream/tar-header.ts';
import { exportTo, importInto, storeSnapshot, writable } from '../support/archive-fixture.ts';
import { noise } from '../support/repository-fixture.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const NAME = 'mcads_system_backup_20250801_142905';

const ZEROS = gzipSync(Buffer.alloc(16 * 1024 * 1024), { level: 9 });
/** 1.1 GB of zeros in a megabyte. */
const BOMB = Buffer.concat(Array.from({ length: 70 }, () => ZEROS));

interface Member {
  readonly name: string;
  readonly type?: string;
  readonly data?: Buffer;
  readonly link?: string;
  /** A header for all later members, which readers weigh differently. */
  readonly globally?: readonly (readonly [string, string])[];
}

function tarOf(members: readonly Member[]): Buffer {
  const parts = members.flatMap(({ name, type = '0', data = Buffer.alloc(0), link = '', globally }) => {
    const header = encodeTarHeader({ name, type, mode: 0o644, uid: 0, gid: 0, size: data.length, mtime: 1, linkName: link });
    const before = globally === undefined ? [] : [asGlobal(encodePaxMember(globally, 'global'))];
    return [...before, header, data, Buffer.alloc(paddedSize(data.length) - data.length)];
  });
  return Buffer.concat([...parts, TRAILER]);
}

function asGlobal(member: Buffer): Buffer {
  const block = Buffer.from(member);
  block.write('g', 156, 'latin1');
  block.write('        ', 148, 'latin1');
  const sum = block.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

const packed = (members: readonly Member[]): Buffer => gzipSync(tarOf(members), { level: 1 });

/** An archive whose `media.tar.gz` holds these members. */
function withMedia(...members: readonly Member[]): Buffer {
  return packed([
    { name: `${NAME}/`, type: '5' },
    { name: `${NAME}/media.tar.gz`, data: packed([{ name: 'media/', type: '5' }, ...members]) },
  ]);
}

async function refused(archive: Buffer): Promise<unknown> {
  await using folder = await temporaryFolder();
  const file = join(folder.path, `${NAME}.tar.gz`);
  await writeFile(file, archive);
  const path = join(folder.path, 'backups');
  const error: unknown = await importInto(path, file).then(
    () => new Error('was imported'),
    (thrown: unknown) => thrown,
  );
  // Found before anything was touched.
  expect(await readdir(folder.path)).toEqual([`${NAME}.tar.gz`]);
  return error;
}

describe('an archive is refused, and no repository made for it, where', () => {
  test.each<[string, Buffer, string]>([
    ['a member has an absolute path', packed([{ name: '/etc/cron.d/x', data: Buffer.from('x') }]), 'leads out'],
    ['a member climbs out', packed([{ name: `${NAME}/../../x`, data: Buffer.from('x') }]), 'leads out'],
    ['a member lies beside its folder', packed([{ name: `${NAME}/a` }, { name: 'other/a' }]), 'no backup archive'],
    ['it has no folder of a backup', packed([{ name: 'x/a' }]), 'no backup archive'],
    ['it holds nothing', packed([]), 'no backup archive'],
    ['a file of it is a symlink', packed([{ name: `${NAME}/db.sqlite3`, type: '2', link: '/etc/shadow' }]), 'neither a file nor a folder'],
    [
      'a file of it is a hard link',
      packed([{ name: `${NAME}/db.sqlite3`, type: '1', link: '/etc/shadow' }]),
      'neither a file nor a folder',
    ],
    ['a file stands in it twice', packed([{ name: `${NAME}/db.sqlite3` }, { name: `${NAME}/db.sqlite3` }]), 'twice'],
    [
      'a header speaks for all later members',
      packed([{ name: `${NAME}/db.sqlite3`, globally: [['path', '/etc/x']] }]),
      'headers that no backup',
    ],
    ['an inner member has an absolute path', withMedia({ name: '/etc/cron.d/x' }), 'leads out'],
    ['an inner member climbs out', withMedia({ name: 'media/../../x' }), 'leads out'],
    ['an inner name can be read in two ways', withMedia({ name: 'media//x' }), 'leads out'],
    ['an inner member lies below a symlink', withMedia({ name: 'media/a', type: '2', link: '/etc' }, { name: 'media/a/x' }), 'leads out'],
    ['an inner hard link leads out', withMedia({ name: 'media/a', type: '1', link: '../../etc/shadow' }), 'leads out'],
    ['an inner hard link is absolute', withMedia({ name: 'media/a', type: '1', link: '/etc/shadow' }), 'leads out'],
    [
      'an inner hard link goes through a symlink',
      withMedia({ name: 'media/a', type: '2', link: '/etc' }, { name: 'media/b', type: '1', link: 'media/a/shadow' }),
      'leads out',
    ],
    ['an inner member is a device', withMedia({ name: 'media/sda', type: '4' }), 'device node'],
    ['an inner member is of an unknown kind', withMedia({ name: 'media/x', type: 'S' }), 'of a kind'],
    ['an inner header speaks for all later members', withMedia({ name: 'media/x', globally: [['path', '/x']] }), 'headers that no backup'],
    ['it is no gzip', Buffer.from('not a gzip file at all'), 'no gzip'],
    ['it is no tar', gzipSync(noise(1, 2048)), 'no whole tar'],
    ['it is empty', Buffer.alloc(0), 'cut short'],
    ['something follows it', Buffer.concat([packed([{ name: `${NAME}/db.sqlite3` }]), Buffer.from('more')]), 'damaged'],
    ['an inner file is no gzip', packed([{ name: `${NAME}/media.tar.gz`, data: Buffer.from('nothing') }]), 'no gzip'],
    ['an inner file is cut', packed([{ name: `${NAME}/media.tar.gz`, data: packed([{ name: 'media/' }]).subarray(0, 40) }]), 'cut short'],
    [
      'an inner tar has no end',
      packed([{ name: `${NAME}/media.tar.gz`, data: gzipSync(tarOf([{ name: 'media/x' }]).subarray(0, 512)) }]),
      'no whole tar',
    ],
    ['its manifest is no manifest', packed([{ name: `${NAME}/mcads_manifest.json`, data: Buffer.from('{}') }]), 'cannot be understood'],
    [
      'its manifest is of a later version',
      packed([{ name: `${NAME}/mcads_manifest.json`, data: Buffer.from('{"archive":2}') }]),
      'newer version',
    ],
    ['it is a bomb', packed([{ name: `${NAME}/media.tar.gz`, data: BOMB }]), 'unpacks to more than'],
  ])('%s', async (_name, archive, says) => {
    const error = await refused(archive);
    expect(error).toMatchObject({ name: 'McadsError', message: expect.stringContaining(says) as string });
  });

  test('a hard link leads to what a later symlink or nothing is', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, `${NAME}.tar.gz`);
    const path = join(folder.path, 'backups');
    for (const members of [
      [{ name: 'media/a', type: '1', link: 'media/nowhere' }],
      [{ name: 'media/z/x' }, { name: 'media/z', type: '2', link: '/etc' }],
      [{ name: 'media/b' }, { name: 'media/a', type: '1', link: 'media/nowhere' }],
      [{ name: 'media/a', type: '1', link: 'media/b' }, { name: 'media/b', type: '1', link: 'media/a' }, { name: 'media/0' }],
    ]) {
      await writeFile(file, withMedia(...members));
      await expect(importInto(path, file)).rejects.toMatchObject({ code: 'damaged' });
      await using repository = await writable(path);
      expect(await repository.snapshots()).toEqual([]);
    }
  });
});

test('the limit against bombs can be raised', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, `${NAME}.tar.gz`);
  await writeFile(file, withMedia({ name: 'media/zeros', data: Buffer.alloc(3_000_000) }));
  const path = join(folder.path, 'backups');
  await expect(importInto(path, file, { maxUnpackedBytes: 1_000_000 })).rejects.toMatchObject({
    code: 'damaged',
    hint: expect.stringContaining('--max-unpacked') as string,
  });
  expect(await importInto(path, file, { maxUnpackedBytes: 10_000_000 })).toMatchObject({ isNew: true });
});

test('our own archive with a byte flipped anywhere, cut anywhere, or with a file changed, is refused', async () => {
  await using folder = await temporaryFolder();
  const first = join(folder.path, 'first');
  const tree = join(folder.path, 'media');
  await mkdir(tree);
  await writeFile(join(tree, 'a.bin'), noise(1, 50_000));
  await using repository = await writable(first);
  await storeSnapshot(repository, NAME, { 'files/media': { tree }, state: { bytes: Buffer.from('{}') } });
  const { path, bytes } = await exportTo(repository, NAME, folder.path);
  expect((await stat(path)).size).toBe(bytes);
  const good = await readFile(path);
  const second = join(folder.path, 'second');
  const wrong = join(folder.path, 'wrong.tar.gz');
  const accepted: string[] = [];
  for (let at = 10; at < good.length; at += Math.ceil(good.length / 60)) {
    const flipped = Buffer.from(good);
    flipped[at] = (flipped[at] ?? 0) ^ 0x10;
    // Times and the like in a gzip header mean nothing.
    const isTheSame = tryGunzip(flipped)?.equals(gunzipSync(good)) === true;
    for (const [how, content] of [
      [`flipped at ${at}`, flipped],
      [`cut at ${at}`, good.subarray(0, at)],
    ] as const) {
      if (isTheSame && content === flipped) continue;
      await writeFile(wrong, content);
      const outcome = await importInto(second, wrong).catch((error: unknown) => error);
      if (!(outcome instanceof Error)) accepted.push(how);
    }
  }
  expect(accepted).toEqual([]);
  await expect(readdir(second)).rejects.toMatchObject({ code: 'ENOENT' });
});

function tryGunzip(bytes: Buffer): Buffer | null {
  try {
    return gunzipSync(bytes);
  } catch {
    return null;
  }
}
