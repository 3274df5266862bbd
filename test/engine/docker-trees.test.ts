import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TreeMount } from '../../src/domain/plan.ts';
import type { Engine } from '../../src/domain/ports.ts';
import type { TreeEntry, TreeSource, OpenTreeOptions } from '../../src/domain/tree.ts';
import { docker, testEngine, uniqueName } from '../support/engine.ts';
import { inVolume, openTestEngine, ownHelpers, signal } from './docker-fixture.ts';

let engine: Engine;
let volume: string;

/** Names and kinds of files that break naive programs. */
const AWKWARD = `
mkdir -p 'dir with space' empty sub/deeper
printf 1 > "$(printf 'new\\nline')"; printf 2 > -leading-dash; printf 3 > 'back\\slash'; printf 4 > "$(printf 'latin1-\\351')"
printf 5 > "$(head -c 255 /dev/zero | tr '\\0' n)"; printf 6 > 'dir with space/"quotes"'; printf 7 > '*'
ln -s /absolute/dangling link; ln -s sub/../sub relative; ln sub/deeper/../../-leading-dash sub/hard; mkfifo fifo
mknod device c 1 3; truncate -s 9G sparse; printf end >> sparse; printf x > setuid; chmod 6755 setuid; chmod 1777 empty
touch -d '1969-12-31 23:59:50.123456789 UTC' 'dir with space/"quotes"'; printf 8 > a-b; mkdir a; printf 9 > a/b; printf 0 > a.c
chown 1234:5678 . sub; chmod 750 .`;

beforeAll(async () => {
  engine = await openTestEngine();
  volume = uniqueName('trees');
  await docker(['volume', 'create', volume]);
  await inVolume(volume, AWKWARD);
});

afterAll(async () => {
  await docker(['volume', 'rm', '--force', volume]);
  await engine[Symbol.asyncDispose]();
});

async function open(
  transport: OpenTreeOptions['transport'],
  mount: TreeMount = ofVolume(volume),
  more: Partial<OpenTreeOptions> = {},
): Promise<TreeSource> {
  return engine.openTree(mount, { transport, helperImage: null, projectImages: [], ...more }, signal);
}

function ofVolume(name: string, subpath: string | null = null): TreeMount {
  return { type: 'volume', name, driver: 'local', subpath };
}

async function entriesOf(tree: TreeSource): Promise<TreeEntry[]> {
  const scan = tree.scan(signal);
  const entries: TreeEntry[] = [];
  for await (const entry of scan.entries) entries.push(entry);
  expect((await scan.done).problems).toEqual([]);
  return entries;
}

/** What GNU tar lists of a stream: every member with owner, mode, size and time. */
async function listTar(body: AsyncIterable<Uint8Array>): Promise<readonly string[]> {
  // tar reads no further than the trailer; what pads the last record must be taken off its hands.
  const script = 'tar --list --verbose --numeric-owner --quoting-style=escape --file=-; status=$?; cat >/dev/null; exit $status';
  const shell = spawn('sh', ['-c', script], { env: { ...process.env, TZ: 'UTC', LC_ALL: 'C' } });
  const listing = text(shell.stdout);
  const closed = once(shell, 'close');
  for await (const chunk of body) if (!shell.stdin.write(chunk)) await once(shell.stdin, 'drain');
  shell.stdin.end();
  expect(await closed).toEqual([0, null]);
  return (await listing).trim().split('\n').sort();
}

async function* pathsOf(entries: readonly TreeEntry[]): AsyncGenerator<string> {
  for (const { path } of entries) yield path;
}

describe.each(['pipe', 'attach'] as const)('through the %s', (transport) => {
  test('scan, restat and tar agree on every awkward file', async () => {
    await using tree = await open(transport);
    expect(tree).toMatchObject({ transport, scans: true, singleFile: false, findings: [] });
    expect(await tree.sync(signal)).toBeGreaterThan(Date.now() / 1000 - 60);
    const entries = await entriesOf(tree);
    expect(entries[0]).toMatchObject({ path: '', type: 'd', uid: 1234, gid: 5678, mode: 0o750 });
    expect(entries.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['new\nline', '-leading-dash', 'back\\slash', 'latin1-\xe9', 'a', 'a/b', 'a-b', 'sub/hard']),
    );
    expect(entries.find(({ path }) => path === 'dir with space/"quotes"')?.mtime).toBe('-9.876543211');
    const restat = tree.restat(pathsOf(entries), signal);
    const again: TreeEntry[] = [];
    for await (const entry of restat.entries) again.push(entry);
    await restat.done;
    expect(again).toEqual(entries);
    const read = tree.read(pathsOf(entries), signal);
    const listed = await listTar(read.body);
    expect((await read.done).messages).toEqual([]);
    expect(listed.length).toBe(entries.length);
    const all = tree.readAll(signal);
    // A whole tree may hold later names, which a list of names for tar never does.
    const asFiles = (await listTar(all.body)).map((line) => line.replace(/^h(.*) 0 (\S+ \S+ \.\/sub\/hard) link to .*$/, '-$1 1 $2'));
    expect(asFiles.toSorted()).toEqual(listed.toSorted());
    await all.done;
  });

  test('a sparse file of nine gigabytes costs what it holds', async () => {
    await using tree = await open(transport);
    const { body, done } = tree.read(
      (async function* () {
        yield 'sparse';
      })(),
      signal,
    );
    let bytes = 0;
    for await (const chunk of body) bytes += chunk.length;
    await done;
    expect(bytes).toBeLessThan(1_000_000);
  });

  test('a vanished path is a message of tar and no failure', async () => {
    await using tree = await open(transport);
    const { body, done } = tree.read(
      (async function* () {
        yield 'a-b';
        yield 'never/there';
      })(),
      signal,
    );
    expect((await listTar(body)).length).toBe(1);
    expect((await done).messages.join()).toMatch(/never\/there/);
  });

  test('ending the reading early stops tar', async () => {
    await using tree = await open(transport);
    for await (const _ of tree.readAll(signal).body) break;
    expect((await entriesOf(tree)).length).toBeGreaterThan(10);
  });

  test('a single file is a tree of one entry', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mcads-single-'));
    await writeFile(join(folder, 'one file.conf'), 'content');
    await using tree = await open(transport, { type: 'bind', hostPath: join(folder, 'one file.conf') });
    expect(tree.singleFile).toBe(true);
    expect((await entriesOf(tree)).map(({ path, size }) => [path, size])).toEqual([['one file.conf', 7]]);
    expect(await listTar(tree.readAll(signal).body)).toEqual([expect.stringMatching(/ \.\/one file\.conf$/)]);
    await rm(folder, { recursive: true });
  });

  test('a sub-path is the root of its tree, unless a link leads out of the volume', async () => {
    await using tree = await open(transport, ofVolume(volume, 'sub'));
    expect((await entriesOf(tree)).map(({ path }) => path)).toEqual(['', 'deeper', 'hard']);
    await expect(open(transport, ofVolume(volume, 'nowhere'))).rejects.toMatchObject({ code: 'component-failed' });
    const trap = uniqueName('trap');
    await docker(['volume', 'create', trap]);
    await inVolume(trap, 'ln -s /etc escape');
    await expect(open(transport, ofVolume(trap, 'escape'))).rejects.toThrow(/leads out/);
    await docker(['volume', 'rm', trap]);
  });
});

test('the archive transport lists the same members, whatever image there is', async () => {
  // Plain archives expand holes: without the nine gigabytes.
  const plain = uniqueName('plain');
  await docker(['volume', 'create', plain]);
  await inVolume(plain, AWKWARD.replace('truncate -s 9G sparse', 'true'));
  await using helper = await open('pipe', ofVolume(plain));
  await using archive = await open('archive', ofVolume(plain));
  expect(archive).toMatchObject({ transport: 'archive', scans: false, singleFile: false });
  expect(archive.findings.map(({ code }) => code)).toEqual(['archive-transport']);
  const names = (lines: readonly string[]): readonly string[] =>
    lines.map((line) => line.replace(/^(.{10} +\S+) +.*?:\d\d /, '$1 ')).sort();
  const byArchive = archive.readAll(signal);
  const listed = names(await listTar(byArchive.body));
  await byArchive.done;
  // Which of two names of one inode comes first, and so is the link, is up to the walker.
  const withoutLinks = (lines: readonly string[]): readonly string[] => lines.filter((line) => !/leading-dash|sub\/hard/.test(line));
  expect(withoutLinks(listed)).toEqual(withoutLinks(names(await listTar(helper.readAll(signal).body))));
  await using sub = await open('archive', ofVolume(plain, 'sub'));
  expect((await listTar(sub.readAll(signal).body)).map((line) => line.split(' ').at(-1))).toEqual(
    expect.arrayContaining(['./', './hard', './deeper/']),
  );
  await helper[Symbol.asyncDispose]();
  await archive[Symbol.asyncDispose]();
  await sub[Symbol.asyncDispose]();
  await docker(['volume', 'rm', plain]);
});

test('the archive transport reads a single file under its own name', async () => {
  await using tree = await open('archive', { type: 'bind', hostPath: '/etc/hostname' });
  expect(tree.singleFile).toBe(true);
  expect((await listTar(tree.readAll(signal).body)).map((line) => line.split(' ').at(-1))).toEqual(['./hostname']);
});

test('a volume or folder that does not exist is an error, and never created by looking', async () => {
  const missing = uniqueName('missing');
  for (const transport of ['auto', 'pipe', 'attach', 'archive'] as const) {
    await expect(open(transport, ofVolume(missing))).rejects.toMatchObject({
      code: 'component-failed',
      message: `volume ${missing} does not exist`,
    });
    await expect(open(transport, { type: 'bind', hostPath: `/${missing}` })).rejects.toMatchObject({ code: 'component-failed' });
  }
  expect((await docker(['volume', 'ls', '--quiet', '--filter', `name=${missing}`])).stdout).toBe('');
  expect(await ownHelpers()).toEqual([]);
});

test('a volume in memory is never captured as an empty one', async () => {
  const memory = uniqueName('memory');
  await docker(['volume', 'create', '--opt', 'type=tmpfs', '--opt', 'device=tmpfs', memory]);
  for (const transport of ['auto', 'archive'] as const) {
    await expect(open(transport, ofVolume(memory))).rejects.toMatchObject({
      code: 'component-failed',
      message: expect.stringContaining('tmpfs') as string,
    });
  }
  await docker(['volume', 'rm', memory]);
});

test('a project image with GNU tar serves as helper, others are passed over for the archive', async () => {
  const { images } = testEngine();
  await using named = await open('attach', ofVolume(volume), { helperImage: images.debian });
  expect(named.transport).toBe('attach');
  await expect(open('auto', ofVolume(volume), { helperImage: 'mcads-test/not-there:1' })).rejects.toMatchObject({ code: 'config' });
});

test('aborting in the middle ends the reading, and disposing leaves no helper', async () => {
  const controller = new AbortController();
  const tree = await engine.openTree(ofVolume(volume), { transport: 'pipe', helperImage: null, projectImages: [] }, controller.signal);
  const { body, done } = tree.readAll(controller.signal);
  controller.abort();
  await expect(text(body)).rejects.toMatchObject({ code: 'cancelled' });
  await expect(done).rejects.toMatchObject({ code: 'cancelled' });
  await tree[Symbol.asyncDispose]();
  expect(await ownHelpers()).toEqual([]);
});

test('a helper that is removed while a command runs in it is an error of what runs, and nothing more begins there', async () => {
  await using tree = await open('pipe');
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  // tar waits for more names: it runs until the helper goes.
  async function* names(): AsyncGenerator<readonly string[]> {
    yield ['sub'];
    begun.resolve();
    await gate.promise;
  }
  const { body, done } = tree.read(names(), signal);
  // A pipe just ends; what counts is what is told of the command.
  const read = text(body).catch(() => '');
  const told = expect(done).rejects.toMatchObject({ code: 'engine-failed' });
  await begun.promise;
  const [helper = ''] = await ownHelpers();
  await docker(['rm', '--force', helper]);
  await told;
  gate.resolve();
  await read;
  await expect(tree.sync(signal)).rejects.toMatchObject({ code: 'engine-failed' });
});

test('the helper has no network, no rights but reading, and a read-only source', async () => {
  await using _tree = await open('pipe');
  const [helper = ''] = await ownHelpers();
  const { stdout } = await docker(['inspect', '--format', '{{json .HostConfig}} {{json .Mounts}}', helper]);
  expect(stdout).toMatch(/"NetworkMode":"none"/);
  expect(stdout).toMatch(/"CapDrop":\["ALL"\]/);
  expect(stdout).toMatch(/"CapAdd":\["DAC_READ_SEARCH"\]/);
  expect(stdout).toMatch(/"LogConfig":\{"Type":"none"/);
  expect((await docker(['exec', helper, 'sh', '-c', 'echo > /mcads/source/data/new'], { accept: 'any' })).code).not.toBe(0);
});

test('the helper gets the weights that it was given, and none unasked', async () => {
  await using gentle = await open('attach', undefined, { weights: { cpu: 100, io: null } });
  expect(gentle.transport).toBe('attach');
  const format = '{{.HostConfig.CpuShares}} {{.HostConfig.BlkioWeight}}';
  const [helper = ''] = await ownHelpers();
  expect((await docker(['inspect', '--format', format, helper])).stdout.trim()).toBe('205 0');
});

test('files of the engine’s host are read without rights of our own', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mcads-host-'));
  await writeFile(join(folder, 'secret'), 'value', { mode: 0o600 });
  await symlink('secret', join(folder, 'link'));
  expect(Buffer.from((await engine.readHostFile(join(folder, 'secret'), signal)) ?? []).toString()).toBe('value');
  expect(Buffer.from((await engine.readHostFile(join(folder, 'link'), signal)) ?? []).toString()).toBe('value');
  expect(await engine.readHostFile(join(folder, 'none'), signal)).toBeNull();
  await expect(engine.readHostFile(folder, signal)).rejects.toThrow(/folder/);
  await rm(folder, { recursive: true });
  expect(await ownHelpers()).toEqual([]);
});
