import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ManifestArtifact } from '../../src/domain/manifest.ts';
import type { TreeSource } from '../../src/domain/tree.ts';
import { openLocalTree } from '../../src/host/local-tree.ts';
import { captureTree } from '../../src/pipeline/capture-tree.ts';
import type { CapturedTree, CaptureTreeOptions } from '../../src/pipeline/captured-tree.ts';
import { compareTree } from '../../src/pipeline/compare-tree.ts';
import { parseCatalogue } from '../../src/stream/catalogue.ts';
import { createAwkwardTree, fingerprintTree } from '../support/awkward-tree.ts';
import { MemoryWriter } from '../support/memory-writer.ts';

const NEVER = new AbortController().signal;
let base: string;
let tree: string;
let writer: MemoryWriter;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'mcads-tree-'));
  tree = join(base, 'tree');
  mkdirSync(tree);
  writer = new MemoryWriter();
});

afterEach(async () => {
  await writer[Symbol.asyncDispose]();
  rmSync(base, { recursive: true, force: true });
});

type Overrides = Partial<Pick<TreeSource, 'sync' | 'read' | 'restat' | 'scan'>>;

/** The local tree with a clock that is an hour ahead, so that its times can be trusted at once; `over` puts hooks between. */
async function source(over: (real: TreeSource) => Overrides = () => ({}), path = tree): Promise<TreeSource> {
  const real = await openLocalTree(path, {}, NEVER);
  const { transport, scans, recipe, stableInodes, clockIsOurs, singleFile, findings } = real;
  return {
    transport,
    scans,
    recipe,
    stableInodes,
    clockIsOurs,
    singleFile,
    findings,
    sync: async (signal) => (await real.sync(signal)) + 3600,
    scan: (signal) => real.scan(signal),
    restat: (paths, signal) => real.restat(paths, signal),
    read: (paths, signal) => real.read(paths, signal),
    readAll: (signal) => real.readAll(signal),
    [Symbol.asyncDispose]: () => real[Symbol.asyncDispose](),
    ...over(real),
  };
}

async function capture(from: TreeSource, options: Partial<CaptureTreeOptions> = {}): Promise<CapturedTree> {
  return captureTree(from, writer, { parent: null, exclude: [], neverCapture: [], ...options }, NEVER);
}

function artifact(result: CapturedTree, name: 'data' | 'catalogue'): ManifestArtifact {
  const found = result.artifacts.find((one) => one.name === name);
  if (found === undefined) throw new Error(name);
  return found;
}

const parentOf = (result: CapturedTree) => ({ data: artifact(result, 'data'), catalogue: artifact(result, 'catalogue') });

async function tarFile(result: CapturedTree): Promise<string> {
  const file = join(base, 'out.tar');
  await writeFile(file, Readable.from(writer.read(artifact(result, 'data'))));
  return file;
}

async function extract(result: CapturedTree): Promise<string> {
  const target = join(base, 'extracted');
  mkdirSync(target);
  const options = ['-x', '-p', '--numeric-owner', '--xattrs', '--xattrs-include=*', '--acls', '--delay-directory-restore'];
  execFileSync('tar', [...options, '-f', await tarFile(result), '-C', target], { stdio: 'pipe' });
  return target;
}

async function paths(result: CapturedTree): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const entry of parseCatalogue(writer.read(artifact(result, 'catalogue')))) found.push(entry.path ?? entry.path64 ?? '');
  return found;
}

test('plain tar brings back every awkward thing to the last bit', async () => {
  createAwkwardTree(tree);
  const before = fingerprintTree(tree);
  const result = await capture(await source());
  expect(result.findings).toEqual([]);
  expect(fingerprintTree(await extract(result))).toEqual(before);
});

test('an unchanged tree is neither read nor stored again', async () => {
  createAwkwardTree(tree);
  const first = await capture(await source());
  writer.fresh.clear();
  const second = await capture(
    await source(() => ({
      read: () => {
        throw new Error('nothing may be read');
      },
    })),
    { parent: parentOf(first) },
  );
  expect(second).toMatchObject({ segmentsRead: 0, storedBytes: 0, entries: first.entries, bytes: first.bytes });
  expect(writer.fresh).toEqual(new Set());
  expect(second.artifacts).toEqual(first.artifacts);
});

test('a forced scan of an unchanged tree reads everything and stores nothing', async () => {
  createAwkwardTree(tree);
  const first = await capture(await source());
  writer.fresh.clear();
  const second = await capture(await source(), { parent: parentOf(first), rescan: true });
  expect(second.segmentsReused).toBe(0);
  expect(writer.fresh).toEqual(new Set());
});

test('a new file changes only its own segment and its directory', async () => {
  for (let i = 0; i < 400; i += 1) {
    mkdirSync(join(tree, `d${i % 20}`), { recursive: true });
    writeFileSync(join(tree, `d${i % 20}`, `f${i}`), `${i}`.repeat(2000));
  }
  const first = await capture(await source());
  writeFileSync(join(tree, 'd7', 'f-new'), 'new');
  const second = await capture(await source(), { parent: parentOf(first) });
  expect(first.segmentsRead).toBeGreaterThan(10);
  expect(second.segmentsRead).toBeLessThanOrEqual(2);
  expect(second.entries).toBe(first.entries + 1);
});

test('young times are not trusted: the next capture reads them again', async () => {
  writeFileSync(join(tree, 'young'), 'x');
  const real = (real: TreeSource) => ({ sync: (signal: AbortSignal) => real.sync(signal) });
  const first = await capture(await source(real));
  const second = await capture(await source(), { parent: parentOf(first) });
  expect(second).toMatchObject({ segmentsRead: 1, segmentsReused: 0 });
});

/** Runs `act` after the n-th reading has delivered everything and before the recheck. */
function afterRead(act: (attempt: number) => void): (real: TreeSource) => Overrides {
  let attempt = 0;
  return (real) => ({
    restat: (names, signal) => {
      attempt += 1;
      act(attempt);
      return real.restat(names, signal);
    },
  });
}

test('a file that is only appended to is stored with an info and stays clean', async () => {
  const log = join(tree, 'app.log');
  writeFileSync(log, 'line\n'.repeat(100_000));
  const result = await capture(await source(afterRead(() => appendFileSync(log, 'more\n'))));
  expect(result.torn).toEqual([]);
  expect(result.findings).toMatchObject([{ severity: 'info', code: 'appended', subject: 'app.log' }]);
  expect(statSync(join(await extract(result), 'app.log')).size).toBeGreaterThanOrEqual(500_005);
});

/** Runs `act` before the n-th reading begins. */
function beforeRead(act: (attempt: number) => void): (real: TreeSource) => Overrides {
  let attempt = 0;
  return (real) => ({
    read: (names, signal) => {
      attempt += 1;
      act(attempt);
      return real.read(names, signal);
    },
  });
}

/** What plain tar makes of it has the attributes that the catalogue says, and these contents. */
async function expectRestores(result: CapturedTree, contents: Readonly<Record<string, string>>): Promise<void> {
  const target = await extract(result);
  const restored = await openLocalTree(target, {}, NEVER);
  const recorded = parseCatalogue(writer.read(artifact(result, 'catalogue')));
  expect(await compareTree(recorded, restored.scan(NEVER).entries, { times: 'nanosecond' })).toMatchObject({ differences: [] });
  for (const [name, content] of Object.entries(contents)) expect(readFileSync(join(target, name), 'utf8') === content, name).toBe(true);
}

test('a small file that becomes a large one among its neighbours is stored whole, and so are they', async () => {
  const neighbours = Object.fromEntries(['n1', 'n2', 'n4', 'n5'].map((name) => [name, `file ${name}`]));
  for (const [name, content] of Object.entries(neighbours)) writeFileSync(join(tree, name), content);
  writeFileSync(join(tree, 'n3.log'), 'line\n'.repeat(1000));
  const grown = 'line\n'.repeat(60_000);
  const result = await capture(await source(afterRead((attempt) => attempt === 1 && writeFileSync(join(tree, 'n3.log'), grown))));
  expect(result.torn).toEqual([]);
  await expectRestores(result, { ...neighbours, 'n3.log': grown });
});

test('a large file whose first name is removed meanwhile is stored whole under the next, and so are the neighbours of that', async () => {
  const large = 'large '.repeat(60_000);
  writeFileSync(join(tree, 'a'), large);
  linkSync(join(tree, 'a'), join(tree, 'n2'));
  for (const name of ['n1', 'n3', 'n4']) writeFileSync(join(tree, name), `file ${name}`);
  const result = await capture(await source(afterRead((attempt) => attempt === 1 && unlinkSync(join(tree, 'a')))));
  expect(await paths(result)).toEqual(['', 'n1', 'n2', 'n3', 'n4']);
  await expectRestores(result, { n1: 'file n1', n2: large, n3: 'file n3', n4: 'file n4' });
});

test('a name that becomes another name of its neighbour before it is read has that content', async () => {
  writeFileSync(join(tree, 'a'), 'content of a');
  writeFileSync(join(tree, 'b'), 'b');
  const become = (attempt: number): void => {
    if (attempt === 1) execFileSync('ln', ['-f', join(tree, 'a'), join(tree, 'b')]);
  };
  const result = await capture(await source(beforeRead(become)));
  expect(result.torn).toEqual([]);
  await expectRestores(result, { a: 'content of a', b: 'content of a' });
});

test('a name that is broken off its file meanwhile keeps its content, though its own segment had not changed', async () => {
  writeFileSync(join(tree, 'a'), 'one');
  writeFileSync(join(tree, 'a2'), 'neighbour');
  for (let i = 0; i < 3; i += 1) writeFileSync(join(tree, `m${i}`), `${i}`.repeat(200_000));
  linkSync(join(tree, 'a'), join(tree, 'z'));
  const first = await capture(await source());
  writeFileSync(join(tree, 'a2'), 'changed');
  const breakOff = (attempt: number): void => {
    if (attempt > 1) return;
    execFileSync('sh', ['-c', 'cp -p z y && mv y z && printf "two, only in a" > a'], { cwd: tree });
  };
  const second = await capture(await source(afterRead(breakOff)), { parent: parentOf(first) });
  await expectRestores(second, { a: 'two, only in a', z: 'one' });
});

test('a folder that is removed meanwhile, of which most files were stored before, comes back with these', async () => {
  mkdirSync(join(tree, 'D'));
  for (let i = 100; i < 400; i += 1) writeFileSync(join(tree, `D/f${i}`), `${i} `.repeat(250));
  writeFileSync(join(tree, 'still'), 's');
  const first = await capture(await source());
  writeFileSync(join(tree, 'D/a_new'), 'new');
  const remove = (attempt: number): void => {
    if (attempt === 1) rmSync(join(tree, 'D'), { recursive: true });
  };
  const second = await capture(await source(beforeRead(remove)), { parent: parentOf(first) });
  expect(second.segmentsReused).toBeGreaterThan(0);
  expect(second.findings.some(({ code, subject }) => code === 'vanished' && subject === 'D')).toBe(true);
  await expectRestores(second, { still: 's' });
});

test('a file whose path is too long for the system to open is an error, and not called deleted', async () => {
  const name = 'd'.repeat(200);
  execFileSync('sh', ['-c', `for i in $(seq 25); do mkdir ${name} && cd -P ${name}; done; echo deep > deep`], { cwd: tree });
  writeFileSync(join(tree, 'still'), 's');
  try {
    const { findings } = await capture(await source());
    expect(new Set(findings.map(({ severity, code }) => `${severity} ${code}`))).toEqual(new Set(['error unreadable']));
    expect(findings.some(({ subject }) => subject?.endsWith('/deep') === true)).toBe(true);
  } finally {
    execFileSync('rm', ['-rf', tree]);
  }
});

test('a log that grows again before each reading is recorded as it was read', async () => {
  const log = join(tree, 'app.log');
  writeFileSync(log, 'line\n'.repeat(100));
  writeFileSync(join(tree, 'still'), 's');
  const append = (): void => appendFileSync(log, 'more\n');
  const result = await capture(await source((real) => ({ ...afterRead(append)(real), ...beforeRead(append)(real) })));
  expect(result).toMatchObject({ torn: [], findings: [{ severity: 'info', code: 'appended', subject: 'app.log' }] });
  await expectRestores(result, { still: 's' });
});

test('a file that is seen empty and then half written, while it is written anew, is not taken for one that only grew', async () => {
  const file = join(tree, 'settings');
  writeFileSync(file, '');
  const write = (attempt: number): void => {
    if (attempt <= 2) appendFileSync(file, attempt === 1 ? 'half' : ' and whole');
  };
  const result = await capture(await source(afterRead(write)));
  expect(result).toMatchObject({ torn: [], findings: [] });
  await expectRestores(result, { settings: 'half and whole' });
});

test('a file that grew and changed inside is not taken for appended', async () => {
  const file = join(tree, 'store.bin');
  writeFileSync(file, 'a'.repeat(200_000));
  const result = await capture(
    await source(afterRead((attempt) => writeFileSync(file, String(attempt).repeat(200_000 + attempt), { flag: 'r+' }))),
  );
  expect(result.torn).toEqual(['store.bin']);
  expect(result.findings).toMatchObject([{ severity: 'warning', code: 'torn', subject: 'store.bin' }]);
});

test('a file that changed once is read again and is clean', async () => {
  const file = join(tree, 'settings');
  writeFileSync(file, 'old');
  const result = await capture(await source(afterRead((attempt) => attempt === 1 && writeFileSync(file, 'new'))));
  expect(result).toMatchObject({ torn: [], findings: [] });
  expect(execFileSync('tar', ['-xOf', await tarFile(result), './settings'], { encoding: 'utf8' })).toBe('new');
});

test('a file that is truncated each time is never listed clean', async () => {
  const file = join(tree, 'data');
  writeFileSync(file, 'x'.repeat(10_000));
  const result = await capture(await source(afterRead((attempt) => truncateSync(file, 10_000 - attempt * 100))));
  expect(result.torn).toEqual(['data']);
});

test('files that vanish before or after they were read are left out with an info', async () => {
  for (const name of ['a', 'b', 'c']) writeFileSync(join(tree, name), name);
  const over = (real: TreeSource): Overrides => ({
    read: (names, signal) => {
      rmSync(join(tree, 'a'), { force: true });
      return real.read(names, signal);
    },
    restat: (names, signal) => {
      rmSync(join(tree, 'c'), { force: true });
      return real.restat(names, signal);
    },
  });
  const result = await capture(await source(over));
  expect(await paths(result)).toEqual(['', 'b']);
  expect(result.findings.map(({ severity, code, subject }) => [severity, code, subject])).toEqual([
    ['info', 'vanished', 'a'],
    ['info', 'vanished', 'c'],
  ]);
});

test('a socket is reported and not stored', async () => {
  writeFileSync(join(tree, 'file'), 'x');
  const listen = `require('net').createServer().listen(${JSON.stringify(join(tree, 'sock'))}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', listen]);
  const result = await capture(await source());
  expect(await paths(result)).toEqual(['', 'file']);
  expect(result.findings).toMatchObject([{ severity: 'info', code: 'socket', subject: 'sock' }]);
});

test('excludes and own folders drop whole subtrees', async () => {
  for (const path of ['cache/x', 'cache/deep/y', 'keep/cache/z', 'backups/chunks/aa', 'keep/a.tmp', 'keep/b.txt']) {
    mkdirSync(join(tree, path, '..'), { recursive: true });
    writeFileSync(join(tree, path), path);
  }
  const own = statSync(join(tree, 'backups'));
  const result = await capture(await source(), {
    exclude: ['cache', '**/*.tmp'],
    neverCapture: [{ device: String(own.dev), inode: String(own.ino) }],
  });
  expect(await paths(result)).toEqual(['', 'keep', 'keep/b.txt', 'keep/cache', 'keep/cache/z']);
});

test('a tree whose root is an own folder gives nothing, least of all itself', async () => {
  writeFileSync(join(tree, 'chunk'), 'x');
  const own = statSync(tree, { bigint: true });
  const result = await capture(await source(), { neverCapture: [{ device: String(own.dev), inode: String(own.ino) }] });
  expect(result.entries).toBe(0);
});

test('a second name keeps its content when the first one vanishes before it is read', async () => {
  writeFileSync(join(tree, 'a'), 'precious');
  linkSync(join(tree, 'a'), join(tree, 'b'));
  const racing = await source((real) => ({
    read: (paths, signal) => {
      rmSync(join(tree, 'a'), { force: true });
      return real.read(paths, signal);
    },
  }));
  const extracted = await extract(await capture(racing));
  expect(readFileSync(join(extracted, 'b'), 'utf8')).toBe('precious');
});

/** `a` and `z` are one file, in segments of their own; the second capture would reuse that of `z`. */
async function withDistantNames(): Promise<CapturedTree> {
  for (let i = 0; i < 400; i += 1) writeFileSync(join(tree, `m${i}`), 'x'.repeat(2000));
  writeFileSync(join(tree, 'a'), 'precious');
  linkSync(join(tree, 'a'), join(tree, 'y'));
  linkSync(join(tree, 'a'), join(tree, 'z'));
  const first = await capture(await source());
  writeFileSync(join(tree, 'a0'), 'new neighbour');
  return first;
}

test('distant names of a file whose first name vanishes meanwhile are stored as that file, reused or not', async () => {
  for (const parent of [parentOf(await withDistantNames()), null]) {
    writeFileSync(join(tree, 'a0'), String(parent === null));
    if (parent === null) linkSync(join(tree, 'z'), join(tree, 'a'));
    const racing = await source((real) => ({
      read: (names, signal) => {
        rmSync(join(tree, 'a'), { force: true });
        return real.read(names, signal);
      },
    }));
    const result = await capture(racing, { parent });
    expect(result.segmentsReused > 0).toBe(parent !== null);
    expect(result.findings.map(({ severity, code, subject }) => [severity, code, subject])).toEqual([
      ['info', 'vanished', 'a'],
      ['info', 'hard-link-moved', 'y'],
    ]);
    expect(await paths(result)).not.toContain('a');
    const extracted = await extract(result);
    expect(readFileSync(join(extracted, 'z'), 'utf8')).toBe('precious');
    expect(statSync(join(extracted, 'z')).ino).toBe(statSync(join(extracted, 'y')).ino);
    rmSync(extracted, { recursive: true });
  }
});

test('a name that becomes another file meanwhile gives its content to no other name', async () => {
  await withDistantNames();
  const replace = (name: string) => execFileSync('sh', ['-c', `printf other-${name} > ../new && mv ../new ${name}`], { cwd: tree });
  let read = false;
  const racing = await source((real) => ({
    read: (names, signal) => {
      if (!read) for (const name of ['a', 'z']) replace(name);
      read = true;
      return real.read(names, signal);
    },
  }));
  const extracted = await extract(await capture(racing));
  expect(['a', 'y', 'z'].map((name) => readFileSync(join(extracted, name), 'utf8'))).toEqual(['other-a', 'precious', 'other-z']);
});

test('names that go one after the other, each when it is to stand in, leave the last one whole', async () => {
  await withDistantNames();
  const doomed = ['a', 'y'];
  const racing = await source((real) => ({
    restat: (names, signal) => {
      const next = doomed.shift();
      if (next !== undefined) rmSync(join(tree, next));
      return real.restat(names, signal);
    },
  }));
  const result = await capture(racing);
  expect((await paths(result)).filter((path) => 'ayz'.includes(path) && path !== '')).toEqual(['z']);
  expect(readFileSync(join(await extract(result), 'z'), 'utf8')).toBe('precious');
});

test('a single file is a tree of one member', async () => {
  writeFileSync(join(tree, 'only file'), 'content');
  const result = await capture(await source(undefined, join(tree, 'only file')));
  expect(await paths(result)).toEqual(['only file']);
});

test('a source that cannot scan is read whole and stores nothing new the second time', async () => {
  createAwkwardTree(tree);
  const before = fingerprintTree(tree);
  const archive = { ...(await source()), scans: false, transport: 'archive' as const };
  const first = await capture(archive);
  writer.fresh.clear();
  const second = await capture(archive, { parent: parentOf(first) });
  expect(writer.fresh).toEqual(new Set());
  expect(second.artifacts).toEqual(first.artifacts);
  expect(fingerprintTree(await extract(first))).toEqual(before);
});

test('deleting a file of a hard-linked pair keeps the other', async () => {
  writeFileSync(join(tree, 'one'), 'x');
  execFileSync('ln', ['one', 'two'], { cwd: tree });
  const first = await capture(await source());
  unlinkSync(join(tree, 'one'));
  const second = await capture(await source(), { parent: parentOf(first) });
  expect(execFileSync('tar', ['-xOf', await tarFile(second), './two'], { encoding: 'utf8' })).toBe('x');
});
