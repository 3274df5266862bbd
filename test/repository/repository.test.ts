import { appendFile, chmod, mkdir, readdir, readFile, rm, stat, symlink, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Segment } from '../../src/domain/tree.ts';
import { createOn, openOn, openRepository } from '../../src/repository/open-repository.ts';
import { sha256Hex } from '../../src/stream/digest.ts';
import { asUser } from '../support/as-user.ts';
import { MemoryStore } from '../support/memory-store.ts';
import {
  backUp,
  makeManifest,
  NEVER,
  noise,
  putArtifact,
  readBack,
  toComponentId,
  removeManifestCopy,
} from '../support/repository-fixture.ts';
import { runCommand } from '../support/run-command.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const FIRST = 'shop_backup_20260101_000000';
const SECOND = 'shop_backup_20260102_000000';
const CONTENTS = {
  'volume/media': noise(1, 5_000_000),
  'database/db/mcads': Buffer.concat([noise(2, 100), noise(1, 5_000_000)]),
  config: Buffer.alloc(0),
};

describe('a backup', () => {
  test('is read back to the last bit, from a directory and from any other store', async () => {
    await using folder = await temporaryFolder();
    await using local = await openRepository({ path: join(folder.path, 'new', 'repository'), mode: 'write', create: true });
    const store = new MemoryStore();
    await createOn(store);
    await using memory = await openOn(store, { mode: 'write' });
    for (const repository of [local, memory]) {
      await backUp(repository, FIRST, CONTENTS);
      expect(await readBack(repository, FIRST)).toEqual(CONTENTS);
      expect(await repository.snapshots()).toMatchObject([
        { name: FIRST, project: 'shop', strategy: 'docker', completeness: 'complete', components: Object.keys(CONTENTS), proof: null },
      ]);
    }
  });

  test('stores nothing that is there already, wherever in the stream it lies', async () => {
    await using folder = await temporaryFolder();
    await using repository = await openRepository({ path: folder.path, mode: 'write', create: true });
    await backUp(repository, FIRST, { config: CONTENTS['volume/media'] });
    const before = await objectsOf(folder.path, 'chunks');
    await using writer = await repository.begin(SECOND, 'shop', NEVER);
    const artifact = await putArtifact(writer, CONTENTS['database/db/mcads']);
    await writer.commit(makeManifest(repository.id, SECOND, [{ id: toComponentId('config'), artifacts: [artifact] }]), '');
    const fresh = (await objectsOf(folder.path, 'chunks')).filter((key) => !before.includes(key));
    expect(fresh).toHaveLength(1);
    expect(before.length).toBeGreaterThan(2);
  });

  test('ends as private files, one zstd frame each, named by the SHA-256 of what zstd makes of them', async () => {
    await using folder = await temporaryFolder();
    await using repository = await openRepository({ path: folder.path, mode: 'write', create: true });
    await backUp(repository, FIRST, CONTENTS);
    for (const area of ['chunks', 'segments']) {
      for (const key of await objectsOf(folder.path, area)) {
        const path = join(folder.path, area, key);
        const { stdout } = await runCommand('bash', ['-c', 'zstd -dcq < "$1" | sha256sum', 'bash', path]);
        expect(`${stdout.slice(0, 2)}/${stdout.slice(0, 64)}`).toBe(key);
        expect((await stat(path)).mode & 0o777).toBe(0o600);
      }
    }
    for (const directory of ['.', 'chunks', 'segments', 'snapshots', `snapshots/${FIRST}`, 'incoming', 'locks'])
      expect((await stat(join(folder.path, directory))).mode & 0o777).toBe(0o700);
    expect(await readFile(join(folder.path, '.gitignore'), 'utf8')).toBe('*\n');
    expect(await readdir(join(folder.path, 'incoming'))).toEqual([]);
    expect(await readdir(join(folder.path, 'locks'))).toEqual([]);
    expect((await readdir(join(folder.path, 'snapshots', FIRST))).toSorted()).toEqual([
      'manifest.json',
      'manifest.json.sha256',
      'verification.txt',
    ]);
    const manifest = await readFile(join(folder.path, 'snapshots', FIRST, 'manifest.json'));
    const copy = sha256Hex(manifest);
    expect(await objectsOf(folder.path, 'segments')).toContain(`${copy.slice(0, 2)}/${copy}`);
  });

  test('that is given up leaves nothing to see, and the next one is not hindered', async () => {
    await using folder = await temporaryFolder();
    await using repository = await openRepository({ path: folder.path, mode: 'write', create: true });
    const stop = new AbortController();
    {
      await using writer = await repository.begin(FIRST, 'shop', stop.signal);
      await putArtifact(writer, CONTENTS['volume/media']);
      await writeFile(join(writer.spoolDirectory, 'x'), 'spooled');
      stop.abort(new Error('given up'));
      await expect(writer.room()).rejects.toThrow('given up');
      await expect(writer.commit(makeManifest(repository.id, FIRST, []), '')).rejects.toThrow('given up');
    }
    expect(await repository.snapshots()).toEqual([]);
    expect(await objectsOf(folder.path, 'incoming')).toEqual([]);
    await backUp(repository, FIRST, CONTENTS);
    expect(await readBack(repository, FIRST)).toEqual(CONTENTS);
  });

  test('cannot refer to a chunk or page that was never stored', async () => {
    await using folder = await temporaryFolder();
    await using repository = await openRepository({ path: folder.path, mode: 'write', create: true });
    await using writer = await repository.begin(FIRST, 'shop', NEVER);
    const missing = 'f'.repeat(64);
    const segment: Segment = { fingerprint: null, bytes: 1, chunks: [[missing, 1]] };
    expect(writer.canReuse(segment)).toBe(false);
    await expect(writer.artifact('data', 'sql').add(segment)).rejects.toThrow(missing);
    const artifact = { ...(await putArtifact(writer, noise(1, 10))), pages: [missing] };
    await expect(
      writer.commit(makeManifest(repository.id, FIRST, [{ id: toComponentId('config'), artifacts: [artifact] }]), ''),
    ).rejects.toThrow(missing);
    expect(await repository.snapshots()).toEqual([]);
  });

  test('finds the newest snapshot of each component of its project, partial ones included', async () => {
    await using folder = await temporaryFolder();
    await using repository = await openRepository({ path: folder.path, mode: 'write', create: true });
    await backUp(repository, FIRST, { config: noise(1, 10), 'volume/a': noise(2, 10) });
    await backUp(repository, SECOND, { config: noise(3, 10) }, 'partial');
    await backUp(repository, 'blog_backup_20260103_000000', { config: noise(4, 10), 'volume/a': noise(4, 10), 'volume/b': noise(4, 10) });
    await using writer = await repository.begin('shop_backup_20260104_000000', 'shop', NEVER);
    expect(writer.parentOf('config')?.name).toBe(SECOND);
    expect(writer.parentOf('volume/a')?.name).toBe(FIRST);
    expect(writer.parentOf('volume/b')).toBeNull();
    const parent = writer.parentOf('volume/a')?.components.find(({ id }) => id === 'volume/a')?.artifacts[0];
    if (parent === undefined) throw new Error('no parent');
    const segments = await Array.fromAsync(writer.segments(parent));
    expect(segments.every((segment) => writer.canReuse(segment))).toBe(true);
    expect(Buffer.concat(await Array.fromAsync(writer.read(parent)))).toEqual(noise(2, 10));
  });

  test('of the same second waits for the next name', async () => {
    await using folder = await temporaryFolder();
    await using repository = await openRepository({ path: folder.path, mode: 'write', create: true });
    expect(await repository.snapshotExists(FIRST)).toBe(false);
    {
      await using writer = await repository.begin(FIRST, 'shop', NEVER);
      expect(await repository.snapshotExists(FIRST)).toBe(true);
      await expect(repository.begin(FIRST, 'shop', NEVER)).rejects.toMatchObject({ code: 'locked', context: { nameTaken: true } });
      await writer.commit(makeManifest(repository.id, FIRST, []), '');
    }
    expect(await repository.snapshotExists(FIRST)).toBe(true);
    await expect(repository.begin(FIRST, 'shop', NEVER)).rejects.toMatchObject({ code: 'locked', context: { nameTaken: true } });
  });
});

describe('the folder of a repository', () => {
  test('may hold files of the old scripts, which stay and are listed', async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, 'mcads_system_backup_20250801_142905.tar.gz'), 'archive');
    await writeFile(join(folder.path, 'mcads_system_backup_20250801_142905_verification.txt'), 'ok');
    for (const directory of ['mcads_backup_20250801_142626', 'restore_20250801_142905', 'logs']) await mkdir(join(folder.path, directory));
    await using repository = await openRepository({ path: folder.path, mode: 'write', create: true });
    expect(await repository.classicArchives()).toEqual([
      {
        file: 'mcads_system_backup_20250801_142905.tar.gz',
        project: 'mcads',
        strategy: 'host',
        startedAt: '2025-08-01T14:29:05.000Z',
        bytes: 7,
      },
    ]);
    await using again = await openRepository({ path: folder.path, mode: 'write', create: true });
    expect(again.id).toBe(repository.id);
  });

  test.for<[string, (folder: string) => Promise<void>]>([
    ['somebody else’s file', (folder) => writeFile(join(folder, 'thesis.odt'), '')],
    ['a hidden file', (folder) => writeFile(join(folder, '.env'), '')],
    ['a project’s own .gitignore', (folder) => writeFile(join(folder, '.gitignore'), 'node_modules\n')],
    ['somebody else’s folder', (folder) => mkdir(join(folder, 'src'))],
  ])('is refused, with nothing written, when it holds %s', async ([, make]) => {
    await using folder = await temporaryFolder();
    await make(folder.path);
    const before = await readdir(folder.path);
    await expect(openRepository({ path: folder.path, mode: 'write', create: true })).rejects.toMatchObject({ code: 'foreign-folder' });
    expect(await readdir(folder.path)).toEqual(before);
  });

  test('is refused when it is a file, and missing when nothing may be made', async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, 'file'), '');
    await expect(openRepository({ path: join(folder.path, 'file'), mode: 'write', create: true })).rejects.toMatchObject({
      code: 'foreign-folder',
    });
    await expect(openRepository({ path: join(folder.path, 'none'), mode: 'read', create: false })).rejects.toMatchObject({
      code: 'no-repository',
    });
    await expect(openRepository({ path: folder.path, mode: 'read', create: false })).rejects.toMatchObject({ code: 'no-repository' });
    expect(await readdir(folder.path)).toEqual(['file']);
  });

  test('made by two at the same time is one repository', async () => {
    await using folder = await temporaryFolder();
    const opened = await Promise.all(Array.from({ length: 5 }, () => openRepository({ path: folder.path, mode: 'write', create: true })));
    expect(new Set(opened.map(({ id }) => id)).size).toBe(1);
  });

  test('gets a fresh RECOVERY.md when its text has changed', async () => {
    await using folder = await temporaryFolder();
    await using first = await openRepository({ path: folder.path, mode: 'write', create: true });
    const text = await readFile(join(folder.path, 'RECOVERY.md'), 'utf8');
    await writeFile(join(folder.path, 'RECOVERY.md'), 'old');
    await using second = await openRepository({ path: folder.path, mode: 'write', create: false });
    expect(await readFile(join(folder.path, 'RECOVERY.md'), 'utf8')).toBe(text);
    expect(first.id).toBe(second.id);
  });
});

describe('a repository of another time', () => {
  async function withConfig(change: (config: Record<string, unknown>) => void): Promise<{ path: string } & AsyncDisposable> {
    const folder = await temporaryFolder();
    await using repository = await openRepository({ path: folder.path, mode: 'write', create: true });
    await backUp(repository, FIRST, { config: noise(1, 10) });
    const file = join(folder.path, 'repository.json');
    const config = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    change(config);
    await writeFile(file, JSON.stringify(config));
    return folder;
  }

  test('of a newer format or with an unknown read feature is not read', async () => {
    await using newer = await withConfig((config) => (config['format'] = 2));
    await expect(openRepository({ path: newer.path, mode: 'read', create: false })).rejects.toMatchObject({ code: 'newer-format' });
    await using feature = await withConfig((config) => (config['features'] = { read: ['packs'], write: [] }));
    await expect(openRepository({ path: feature.path, mode: 'read', create: false })).rejects.toMatchObject({
      code: 'newer-format',
      message: expect.stringContaining('packs') as string,
    });
  });

  test('with an unknown write feature is read, and not written', async () => {
    await using folder = await withConfig((config) => (config['features'] = { read: [], write: ['index'] }));
    await expect(openRepository({ path: folder.path, mode: 'write', create: true })).rejects.toMatchObject({ code: 'newer-format' });
    await using repository = await openRepository({ path: folder.path, mode: 'read', create: false });
    expect(repository.writable).toBe(false);
    expect(await readBack(repository, FIRST)).toEqual({ config: noise(1, 10) });
    await expect(repository.begin(SECOND, 'shop', NEVER)).rejects.toMatchObject({ code: 'newer-format' });
    await expect(repository.prune({ policy: { last: 1 }, dryRun: false, signal: NEVER })).rejects.toMatchObject({ code: 'newer-format' });
  });

  test.for<[string, (file: string) => Promise<void>]>([
    ['gone', unlink],
    ['empty', (file) => truncate(file, 0)],
    ['cut short', (file) => truncate(file, 40)],
    ['with something behind it', (file) => appendFile(file, 'x')],
  ])('whose repository.json is %s is read by its copy, told, and put right by the next that writes', async ([, damage]) => {
    await using folder = await withConfig(() => undefined);
    const file = join(folder.path, 'repository.json');
    const whole = await readFile(`${file}.copy`);
    await damage(file);
    await using read = await openRepository({ path: folder.path, mode: 'read', create: false });
    expect(read.findings).toMatchObject([
      { code: 'repository-config-damaged', message: expect.stringContaining('its copy stands in') as string },
    ]);
    expect(await readBack(read, FIRST)).toEqual({ config: noise(1, 10) });
    await using written = await openRepository({ path: folder.path, mode: 'write', create: true });
    expect(written.findings).toMatchObject([{ message: expect.stringContaining('it was put back from its copy') as string }]);
    expect(await readFile(file)).toEqual(whole);
    expect(written.chunker).toEqual(read.chunker);
    await using again = await openRepository({ path: folder.path, mode: 'write', create: true });
    expect(again.findings).toEqual([]);
  });

  test('of before there were copies gets one', async () => {
    await using folder = await withConfig(() => undefined);
    const file = join(folder.path, 'repository.json');
    await unlink(`${file}.copy`);
    await using _ = await openRepository({ path: folder.path, mode: 'write', create: true });
    expect(await readFile(`${file}.copy`)).toEqual(await readFile(file));
  });

  test('without its repository.json and the copy is damaged, never made anew over its chunks', async () => {
    await using folder = await withConfig(() => undefined);
    await unlink(join(folder.path, 'repository.json'));
    await unlink(join(folder.path, 'repository.json.copy'));
    await expect(openRepository({ path: folder.path, mode: 'write', create: true })).rejects.toMatchObject({ code: 'damaged' });
    await writeFile(join(folder.path, 'repository.json'), '{"format":1,');
    await expect(openRepository({ path: folder.path, mode: 'write', create: true })).rejects.toMatchObject({ code: 'damaged' });
  });
});

describe('what cannot be read well is never handed out', () => {
  async function damagedChunk(damage: (path: string) => Promise<void>): Promise<unknown> {
    await using folder = await temporaryFolder();
    await using repository = await openRepository({ path: folder.path, mode: 'write', create: true });
    await backUp(repository, FIRST, { 'volume/media': noise(1, 1000) });
    const [key = ''] = await objectsOf(folder.path, 'chunks');
    await damage(join(folder.path, 'chunks', key));
    return await readBack(repository, FIRST).catch((error: unknown) => error);
  }

  test.for<[string, (path: string) => Promise<void>]>([
    ['missing', unlink],
    ['empty', (path) => truncate(path, 0)],
    ['cut short', (path) => truncate(path, 20)],
    ['other bytes', (path) => writeFile(path, noise(9, 500))],
  ])('a chunk that is %s is named with the component and snapshot that need it', async ([, damage]) => {
    const error = await damagedChunk(damage);
    expect(error).toMatchObject({
      code: 'damaged',
      message: expect.stringMatching(new RegExp(`chunk [0-9a-f]{64}, needed by volume/media in ${FIRST}`)) as string,
    });
  });

  /** What may happen to a manifest; a disk that cannot read one file, and what takes its place, are no reason to lose the others. */
  const damages = (manifest: string, bytes: Buffer): readonly (() => Promise<unknown>)[] => [
    () => writeFile(manifest, bytes.toString().replace('"complete"', '"partial" ')),
    () => writeFile(manifest, bytes.subarray(0, 100)),
    () => rm(manifest),
    () => rm(manifest, { force: true }).then(() => runCommand('mkfifo', [manifest])),
    () => rm(manifest).then(() => mkdir(manifest)),
  ];

  test('a manifest that was changed, cut, lost or cannot be read is read from its copy, and verify puts it back', async () => {
    await using folder = await temporaryFolder();
    await using repository = await openRepository({ path: folder.path, mode: 'write', create: true });
    await backUp(repository, FIRST, { config: noise(1, 1000) });
    const manifest = join(folder.path, 'snapshots', FIRST, 'manifest.json');
    const bytes = await readFile(manifest);
    for (const damage of damages(manifest, bytes).slice(0, 4)) {
      await damage();
      expect(await readBack(repository, FIRST)).toEqual({ config: noise(1, 1000) });
      expect((await repository.verify({ readData: false, signal: NEVER })).damaged).toMatchObject([
        { kind: 'manifest', id: FIRST, message: expect.stringMatching(/it was put back from its copy under segments\/$/) as string },
      ]);
      expect(await readFile(manifest)).toEqual(bytes);
      expect((await repository.verify({ readData: false, signal: NEVER })).damaged).toEqual([]);
    }
    await rm(manifest);
    await mkdir(manifest);
    expect(await readBack(repository, FIRST)).toEqual({ config: noise(1, 1000) });
    expect((await repository.verify({ readData: false, signal: NEVER })).damaged).toMatchObject([
      { message: expect.stringContaining('cannot be put in its place') as string },
    ]);
  });

  test('a manifest of which no copy is left either', async () => {
    await using folder = await temporaryFolder();
    await using repository = await openRepository({ path: folder.path, mode: 'write', create: true });
    await backUp(repository, FIRST, { config: noise(1, 1000) });
    await backUp(repository, SECOND, { config: noise(1, 1000) });
    await removeManifestCopy(folder.path, FIRST);
    const manifest = join(folder.path, 'snapshots', FIRST, 'manifest.json');
    const bytes = await readFile(manifest);
    for (const damage of damages(manifest, bytes)) {
      await damage();
      await expect(repository.manifest(FIRST)).rejects.toMatchObject({
        code: 'damaged',
        message: expect.stringContaining(FIRST) as string,
      });
      expect((await repository.snapshots()).map(({ name }) => name)).toEqual([SECOND]);
      expect((await repository.inventory()).damaged).toMatchObject([{ kind: 'manifest', id: FIRST }]);
    }
    await expect(repository.manifest('shop_backup_19990101_000000')).rejects.toMatchObject({ code: 'no-snapshot' });
  });

  test('a digest that is damaged is no reason to doubt a manifest whose copy is whole, and verify writes it anew', async () => {
    await using folder = await temporaryFolder();
    await using repository = await openRepository({ path: folder.path, mode: 'write', create: true });
    await backUp(repository, FIRST, { config: noise(1, 1000) });
    const digest = join(folder.path, 'snapshots', FIRST, 'manifest.json.sha256');
    const written = await readFile(digest, 'utf8');
    await writeFile(digest, 'x');
    expect(await readBack(repository, FIRST)).toEqual({ config: noise(1, 1000) });
    await repository.verify({ readData: false, signal: NEVER });
    expect(await readFile(digest, 'utf8')).toBe(written);
  });

  test.for<[string, (path: string) => Promise<unknown>]>([
    ['are gone', (path) => rm(join(path, 'snapshots'), { recursive: true })],
    [
      'are a link to nowhere',
      (path) => rm(join(path, 'snapshots'), { recursive: true }).then(() => symlink('away', join(path, 'snapshots'))),
    ],
    ['are a file', (path) => rm(join(path, 'snapshots'), { recursive: true }).then(() => writeFile(join(path, 'snapshots'), ''))],
    [
      'have a file for locks beside them',
      (path) => rm(join(path, 'locks'), { recursive: true }).then(() => writeFile(join(path, 'locks'), '')),
    ],
    [
      'have a link to nowhere for locks',
      (path) => rm(join(path, 'locks'), { recursive: true }).then(() => symlink('away', join(path, 'locks'))),
    ],
  ])('a repository whose snapshots %s is damaged, not empty', async ([, damage]) => {
    await using folder = await temporaryFolder();
    {
      await using repository = await openRepository({ path: folder.path, mode: 'write', create: true });
      await backUp(repository, FIRST, { config: noise(1, 1000) });
    }
    await damage(folder.path);
    for (const mode of ['read', 'write'] as const)
      await expect(openRepository({ path: folder.path, mode, create: mode === 'write' })).rejects.toMatchObject({ code: 'damaged' });
  });

  test('a manifest whose digest was never written is vouched for by its copy, and verify writes the digest', async () => {
    await using folder = await temporaryFolder();
    await using repository = await openRepository({ path: folder.path, mode: 'write', create: true });
    await backUp(repository, FIRST, { config: noise(1, 1000) });
    const digest = join(folder.path, 'snapshots', FIRST, 'manifest.json.sha256');
    const written = await readFile(digest, 'utf8');
    await unlink(digest);
    expect(await readBack(repository, FIRST)).toEqual({ config: noise(1, 1000) });
    expect((await repository.verify({ readData: true, signal: NEVER })).damaged).toEqual([]);
    expect(await readFile(digest, 'utf8')).toBe(written);
  });
});

describe('a repository that may not be written', () => {
  // Root may write everywhere, so these look at it as somebody else.
  const asNobody = (path: string, code: string) => {
    const script = `
      import { openRepository } from '${new URL('../../src/repository/open-repository.ts', import.meta.url).pathname}';
      const path = ${JSON.stringify(path)};
      ${code}`;
    const argv = [process.execPath, '--input-type=module', '-e', script];
    const nobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
    const [program = '', ...args] = process.getuid?.() === 0 ? asUser(nobody, argv) : argv;
    return runCommand(program, args);
  };
  const tell = `const tell = (work) => work.then(() => 'ok', (error) => error.code + ': ' + error.message);`;

  test('but read is read without a lock and says so; writing is forbidden', async () => {
    await using folder = await temporaryFolder();
    await using repository = await openRepository({ path: folder.path, mode: 'write', create: true });
    await backUp(repository, FIRST, { config: noise(1, 1000) });
    await runCommand('chmod', ['-R', 'u=rX,go=rX', folder.path]);
    const { stdout } = await asNobody(
      folder.path,
      `${tell}
      const repository = await openRepository({ path, mode: 'read', create: false });
      const signal = new AbortController().signal;
      const [artifact] = (await repository.manifest('${FIRST}')).components[0].artifacts;
      let bytes = 0;
      for await (const part of repository.read(artifact, signal)) bytes += part.length;
      const { damaged } = await repository.verify({ readData: true, signal });
      console.log(repository.writable, bytes, damaged.length, await repository.lease('shared', 'x', signal));
      console.log(await tell(repository.begin('${SECOND}', 'shop', signal)));
      console.log(await tell(openRepository({ path, mode: 'write', create: true })));`,
    );
    const [first, begin, write] = stdout.split('\n');
    expect(first).toBe('false 1000 0 null');
    expect(begin).toMatch(/^forbidden: /);
    expect(write).toMatch(/^forbidden: /);
    await chmod(folder.path, 0o700);
  });

  test('and not even read is forbidden, as is making one where we may not', async () => {
    await using folder = await temporaryFolder();
    await using repository = await openRepository({ path: join(folder.path, 'repository'), mode: 'write', create: true });
    await chmod(repository.location, 0);
    await chmod(folder.path, 0o555);
    const { stdout } = await asNobody(
      repository.location,
      `${tell}
      console.log(await tell(openRepository({ path, mode: 'read', create: false })));
      console.log(await tell(openRepository({ path: path + '/../other', mode: 'write', create: true })));`,
    );
    await chmod(folder.path, 0o755);
    await chmod(repository.location, 0o700);
    expect(stdout).toMatch(/^forbidden: .*\nforbidden: /);
  });
});

async function objectsOf(root: string, area: string): Promise<readonly string[]> {
  const entries = await readdir(join(root, area), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(join(root, area).length + 1));
}
