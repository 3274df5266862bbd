import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ScriptTarget, type ScriptRunner } from '../../src/stream/script-target.ts';
import type { Engine } from '../../src/domain/ports.ts';
import type { TreePlace } from '../../src/domain/restore.ts';
import type { TreeTarget } from '../../src/domain/restore-ports.ts';
import type { OpenTreeOptions, TreeScan } from '../../src/domain/tree.ts';
import { McadsError } from '../../src/errors.ts';
import { docker, uniqueName } from '../support/engine.ts';
import { runCommand } from '../support/run-command.ts';
import { inVolume, openTestEngine, ownHelpers, runContainer, signal } from './docker-fixture.ts';
import { toRaw } from '../../src/stream/raw-path.ts';

let engine: Engine;
let folder: string;
beforeAll(async () => {
  engine = await openTestEngine();
  folder = await mkdtemp(join(tmpdir(), 'mcads-target-'));
});
afterAll(async () => {
  expect(await ownHelpers()).toEqual([]);
  await engine[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const RUN = '0123456789ab';
const how = (transport: OpenTreeOptions['transport']): OpenTreeOptions => ({ transport, helperImage: null, projectImages: [] });
const volumePlace = (name: string): TreePlace => ({ mount: { type: 'volume', name, driver: 'local', subpath: null }, singleFile: null });
const bindPlace = (hostPath: string, singleFile: string | null = null): TreePlace => ({ mount: { type: 'bind', hostPath }, singleFile });

/** A tar as snapshots hold it, of what a script makes in an empty folder. */
async function tarOf(script: string): Promise<Buffer> {
  const source = await mkdtemp(join(folder, 'source-'));
  await runCommand('sh', ['-c', script], { cwd: source });
  const tar = join(folder, `${source.slice(-6)}.tar`);
  await runCommand('tar', ['--create', '--format=posix', '--xattrs', '--numeric-owner', '--file', tar, '-C', source, '.']);
  return readFile(tar);
}

async function* bytes(tar: Buffer): AsyncGenerator<Uint8Array> {
  // Copies: the pieces are given away.
  for (let at = 0; at < tar.length; at += 100_000) yield Buffer.from(tar.subarray(at, at + 100_000));
}

async function pathsOf(scan: TreeScan): Promise<readonly string[]> {
  const paths: string[] = [];
  for await (const { path } of scan.entries) paths.push(path);
  await scan.done;
  return paths;
}

/** Everything about a folder but the change times. */
const LOOK = `find . -printf '%P|%y|%m|%U:%G|%s|%T@|%l\\n' | sort; find . -type f -exec sha256sum {} + | sort`;
const look = async (volume: string): Promise<string> => inVolume(volume, LOOK);

const BEFORE = `mkdir kept sub; echo old > a; echo same > sub/b; echo stays > kept/file; ln -s a link; chown -R 1:2 sub; chmod 1777 .; touch -d '2001-02-03 04:05:06.789' a sub kept .`;
const AFTER = `mkdir sub fresh; echo new > a; echo more > fresh/c; echo other > sub/b; mkdir kept; echo no > kept/file; chmod 750 .; chown 7:8 .; touch -d '2010-11-12 13:14:15.5' a sub fresh .`;

async function makeVolume(script: string): Promise<string> {
  const name = uniqueName('v');
  await docker(['volume', 'create', name]);
  await inVolume(name, script);
  return name;
}

test.each(['pipe', 'attach'] as const)('over %s a volume is built beside, swapped, and put back as it was', async (transport) => {
  const volume = await makeVolume(BEFORE);
  const before = await look(volume);
  const tar = await tarOf(AFTER);
  const report = await engine.probePlace(volumePlace(volume), how(transport), signal);
  expect(report).toMatchObject({ exists: true, isEmpty: false, transport, swaps: true, readOnly: false, createdFrom: null });
  expect(report.freeBytes).toBeGreaterThan(0);
  await using target = await engine.openTarget(volumePlace(volume), how(transport), signal);
  expect(await target.stage(RUN, bytes(tar), signal)).toEqual([]);
  const live = ['', 'a', 'kept', 'kept/file', 'link', 'sub', 'sub/b'];
  expect(await pathsOf(target.scanLive(signal))).toEqual(live);
  expect(await pathsOf(target.scanStaged(RUN, signal))).toEqual(['', 'a', 'fresh', 'fresh/c', 'kept', 'kept/file', 'sub', 'sub/b']);
  expect(await target.holdsReplaced(RUN, signal)).toBe(false);
  await target.swap(RUN, ['kept'], signal);
  expect(await pathsOf(target.scanLive(signal))).toEqual(['', 'a', 'fresh', 'fresh/c', 'kept', 'kept/file', 'sub', 'sub/b']);
  expect(await inVolume(volume, 'cat a kept/file sub/b; stat -c "%a %u:%g %y" .')).toMatch(
    /^new\nstays\nother\n750 7:8 2010-11-12 13:14:15.5/,
  );
  const [hash, missing] = await target.hash(['a', 'nowhere'], signal);
  expect(hash).toBe('7aa7a5359173d05b63cfd682e3c38487f3cb4f7f1d60659fe59fab1505977d4c');
  expect(missing).toBeNull();
  expect(await target.holdsReplaced(RUN, signal)).toBe(true);
  await inVolume(volume, 'echo later > sub/log; rm a');
  expect(await target.revert(RUN, signal)).toBe(true);
  expect(await look(volume)).toBe(before);
  expect(await target.revert(RUN, signal)).toBe(false);
});

test('what was replaced is discarded without a trace, the times of the root too', async () => {
  const volume = await makeVolume(BEFORE);
  await using target = await engine.openTarget(volumePlace(volume), how('auto'), signal);
  await target.stage(RUN, bytes(await tarOf(AFTER)), signal);
  await target.swap(RUN, [], signal);
  await target.discard(RUN, signal);
  expect(await inVolume(volume, 'ls -A; stat -c "%a %u:%g %y" .')).toMatch(/^a\nfresh\nkept\nsub\n750 7:8 2010-11-12 13:14:15.5/);
  expect(await target.holdsReplaced(RUN, signal)).toBe(false);
});

test('only staged, it is taken back without a trace', async () => {
  const volume = await makeVolume(BEFORE);
  const before = await look(volume);
  await using target = await engine.openTarget(volumePlace(volume), how('auto'), signal);
  await target.stage(RUN, bytes(await tarOf(AFTER)), signal);
  expect(await target.revert(RUN, signal)).toBe(false);
  expect(await look(volume)).toBe(before);
});

test('a swap that is broken off after any of its steps is put back as it was', async () => {
  const tar = await tarOf(AFTER);
  const volume = await makeVolume(BEFORE);
  await using service = await runContainer(['--volume', `${volume}:/data`]);
  const place = { place: volumePlace(volume), transport: 'attach', root: '/data', name: volume } as const;
  const through = (steps: number): TreeTarget => new ScriptTarget(runnerIn(service.name, steps), place);
  const whole = through(Infinity);
  const lookHere = async (): Promise<string> => (await docker(['exec', '--workdir', '/data', service.name, 'sh', '-c', LOOK])).stdout;
  const before = await lookHere();
  let isWhole = false;
  for (let steps = 0; !isWhole; steps += 1) {
    await whole.stage(RUN, bytes(tar), signal);
    isWhole = await through(steps)
      .swap(RUN, ['kept'], signal)
      .then(
        () => true,
        () => false,
      );
    await whole.revert(RUN, signal);
    expect(await lookHere()).toBe(before);
  }
  expect(isWhole).toBe(true);
}, 900_000);

/** Runs so many commands in a container, and is lost then. */
function runnerIn(container: string, steps: number): ScriptRunner {
  let left = steps;
  return {
    run: async (argv, input, given) => {
      if ((left -= 1) < 0) throw new McadsError('engine-lost', 'lost');
      return engine.exec(container, argv, input === undefined ? {} : { input }, given);
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

test.for(['app.conf', 'réglage один.conf'])('the single file %s is swapped in its folder, and nothing else there', async (file) => {
  const at = join(folder, `single ${file}`);
  await mkdir(at);
  await writeFile(join(at, file), 'old');
  await writeFile(join(at, 'other'), 'other');
  const place = bindPlace(join(at, file), file);
  expect(await engine.probePlace(place, how('auto'), signal)).toMatchObject({ exists: true, isEmpty: false });
  await using target = await engine.openTarget(place, how('auto'), signal);
  await target.stage(RUN, bytes(await tarOf(`echo new > '${file}'; chmod 600 '${file}'`)), signal);
  expect(await pathsOf(target.scanStaged(RUN, signal))).toEqual([toRaw(file)]);
  await target.swap(RUN, [], signal);
  expect(await readFile(join(at, file), 'utf8')).toBe('new\n');
  expect(await readFile(join(at, 'other'), 'utf8')).toBe('other');
  await target.revert(RUN, signal);
  expect(await readFile(join(at, file), 'utf8')).toBe('old');
  expect((await runCommand('ls', ['-A', at])).stdout).toBe(['other', file].toSorted().join('\n') + '\n');
});

test('a bind that is not there is told with the topmost folder to make, made owned as its parent, and removed again', async () => {
  const at = join(folder, 'parent');
  await mkdir(at);
  await runCommand('chown', ['12:34', at]);
  const place = bindPlace(join(at, 'made/deep'));
  expect(await engine.probePlace(place, how('auto'), signal)).toMatchObject({
    exists: false,
    isEmpty: true,
    createdFrom: join(at, 'made'),
  });
  {
    await using target = await engine.openTarget(place, how('auto'), signal);
    await target.stage(RUN, bytes(await tarOf('echo new > a')), signal);
    await target.swap(RUN, [], signal);
    await target.discard(RUN, signal);
  }
  expect(await readFile(join(at, 'made/deep/a'), 'utf8')).toBe('new\n');
  expect((await runCommand('stat', ['-c', '%u:%g', join(at, 'made')])).stdout).toBe('12:34\n');
  await engine.removeFolder(join(at, 'made'), how('auto'), signal);
  expect((await runCommand('ls', ['-A', at])).stdout).toBe('');
});

test('folders that were made are removed as far as nobody has put anything into them', async () => {
  const at = join(folder, 'parent of empty ones');
  await mkdir(join(at, 'made/deep/deeper'), { recursive: true });
  await writeFile(join(at, 'made/upload'), 'of a user');
  const remove = (): Promise<boolean> => engine.removeEmptyFolders(join(at, 'made'), join(at, 'made/deep/deeper'), how('auto'), signal);
  expect(await remove()).toBe(false);
  expect((await runCommand('find', ['.', '-mindepth', '1'], { cwd: at })).stdout).toBe('./made\n./made/upload\n');
  await rm(join(at, 'made/upload'));
  expect(await remove()).toBe(true);
  expect((await runCommand('ls', ['-A', at])).stdout).toBe('');
});

test('a missing volume is told and never made, one in memory is refused', async () => {
  const name = uniqueName('nowhere');
  expect(await engine.probePlace(volumePlace(name), how('auto'), signal)).toMatchObject({ exists: false });
  await expect(engine.openTarget(volumePlace(name), how('auto'), signal)).rejects.toMatchObject({ code: 'component-failed' });
  expect((await docker(['volume', 'ls', '--quiet', '--filter', `name=${name}`])).stdout).toBe('');
  const memory = uniqueName('memory');
  await docker(['volume', 'create', '--opt', 'type=tmpfs', '--opt', 'device=tmpfs', memory]);
  await expect(engine.probePlace(volumePlace(memory), how('auto'), signal)).rejects.toMatchObject({ code: 'component-failed' });
});

test('a filesystem that gets full while it is built is named, and what was built goes', async () => {
  const at = join(folder, 'small');
  await mkdir(at);
  await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', at]);
  try {
    await writeFile(join(at, 'old'), 'old');
    const { freeBytes } = await engine.probePlace(bindPlace(at), how('auto'), signal);
    expect(freeBytes).toBeLessThanOrEqual(2 * 1024 * 1024);
    await using target = await engine.openTarget(bindPlace(at), how('auto'), signal);
    const tar = await tarOf('head -c 4000000 /dev/urandom > big');
    await expect(target.stage(RUN, bytes(tar), signal)).rejects.toMatchObject({
      code: 'component-failed',
      message: expect.stringContaining('No space left on device') as string,
    });
    expect(await target.revert(RUN, signal)).toBe(false);
    expect((await runCommand('ls', ['-A', at])).stdout).toBe('old\n');
  } finally {
    await runCommand('umount', [at]);
  }
});

test('a filesystem mounted below is told, and kept where it is', async () => {
  const at = join(folder, 'nested');
  await mkdir(join(at, 'deep/mounted'), { recursive: true });
  await writeFile(join(at, 'deep/file'), 'old');
  await runCommand('mount', ['-t', 'tmpfs', 'tmpfs', join(at, 'deep/mounted')]);
  try {
    await writeFile(join(at, 'deep/mounted/inside'), 'inside');
    const { nestedMounts } = await engine.probePlace(bindPlace(at), how('auto'), signal);
    expect(nestedMounts).toEqual(['deep/mounted']);
    await using target = await engine.openTarget(bindPlace(at), how('auto'), signal);
    await target.stage(RUN, bytes(await tarOf('mkdir -p deep/mounted; echo new > deep/file; echo top > top')), signal);
    await target.swap(RUN, nestedMounts, signal);
    expect(await readFile(join(at, 'deep/file'), 'utf8')).toBe('new\n');
    expect(await readFile(join(at, 'deep/mounted/inside'), 'utf8')).toBe('inside');
    await target.revert(RUN, signal);
    expect(await readFile(join(at, 'deep/file'), 'utf8')).toBe('old');
    expect((await runCommand('ls', ['-A', at])).stdout).toBe('deep\n');
  } finally {
    await runCommand('umount', [join(at, 'deep/mounted')]);
  }
});

test('over the archive call it is written over what is there, the root with it', async () => {
  const volume = await makeVolume(BEFORE);
  const report = await engine.probePlace(volumePlace(volume), how('archive'), signal);
  expect(report).toMatchObject({ exists: true, isEmpty: false, transport: 'archive', swaps: false, freeBytes: null });
  await using target = await engine.openTarget(volumePlace(volume), how('archive'), signal);
  await target.stage(RUN, bytes(await tarOf(AFTER)), signal);
  expect(await inVolume(volume, 'cat a fresh/c; ls -A; stat -c "%a %u:%g" .')).toBe('new\nmore\na\nfresh\nkept\nlink\nsub\n750 7:8\n');
});
