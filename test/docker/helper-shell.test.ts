import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { Duplex } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HelperShell } from '../../src/docker/helper-shell.ts';
import { openPipeFolder, type PipeFolder } from '../../src/docker/pipe-folder.ts';
import { execThroughPipe } from '../../src/docker/piped-exec.ts';
import type { ExecExit } from '../../src/domain/ports.ts';
import { McadsError } from '../../src/errors.ts';

const NEVER = new AbortController().signal;

let shell: ChildProcess;
let folder: PipeFolder;
let helper: HelperShell;
let asked: number;

beforeEach(async () => {
  const opened = await openPipeFolder({}, null);
  if (opened === null) throw new Error('no folder for pipes here');
  folder = opened;
  shell = spawn('sh', [], { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  asked = 0;
  helper = new HelperShell(multiplexed(shell), async () => {
    asked += 1;
    return new McadsError('engine-failed', 'it is gone');
  });
});
afterEach(async () => {
  helper.close();
  try {
    process.kill(-(shell.pid ?? 0), 'SIGKILL'); // with all that still runs
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // nothing is left
  }
  await folder[Symbol.asyncDispose]();
});

/** As the engine sends a container's stdout: each piece behind a header of eight bytes. */
function multiplexed({ stdin, stdout }: ChildProcess): Duplex {
  if (stdin === null || stdout === null) throw new Error('no pipes');
  const frames = async function* (): AsyncGenerator<Buffer> {
    for await (const data of stdout as AsyncIterable<Buffer>) {
      const header = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
      header.writeUInt32BE(data.length, 4);
      yield Buffer.concat([header, data]);
    }
  };
  return Duplex.from({ writable: stdin, readable: frames() });
}

/** Runs it and tells how it ended. */
async function end(argv: readonly string[], signal = NEVER, stderrBytes?: number): Promise<ExecExit> {
  const started = await helper.start(folder, folder.mount.source, argv, stderrBytes === undefined ? {} : { stderrBytes }, signal);
  return started.exit;
}

test('each command has its own exit, its own stderr and its words as they are', async () => {
  const awkward = ["it's", 'a\nline', '$HOME `id` "x"', '', 'ä€ *'];
  const [words, failed, killed, missing] = await Promise.all([
    end(['sh', '-c', 'printf "%s|" "$@" >&2', 'sh', ...awkward]),
    end(['sh', '-c', 'echo no >&2; exit 7']),
    end(['sh', '-c', 'kill -9 $$']),
    end(['/there/is/no/such-program']),
  ]);
  expect(words).toEqual({ code: 0, stderr: awkward.map((word) => `${word}|`).join('') });
  expect(failed).toEqual({ code: 7, stderr: 'no\n' });
  expect(killed?.code).toBe(128 + 9);
  expect(missing?.code).toBe(127);
  expect(missing?.stderr).toContain('such-program');
});

test('of a long stderr the end is kept, and the command is not held up by it', async () => {
  const { code, stderr } = await end(['sh', '-c', 'head -c 4000000 /dev/zero | tr "\\0" x >&2; echo end >&2'], NEVER, 1000);
  expect(code).toBe(0);
  expect(stderr).toHaveLength(1000);
  expect(stderr.endsWith('xxend\n')).toBe(true);
});

test('stdin and stdout go through pipes, and many at a time do not meet', async () => {
  const start = async (argv: readonly string[], limits: object, signal: AbortSignal) =>
    helper.start(folder, folder.mount.source, argv, limits, signal);
  const runs = Array.from({ length: 40 }, async (_, index) => {
    const input = [Buffer.from(`${index} `.repeat(50_000))];
    const handle = await execThroughPipe(start, folder, folder.mount.source, ['cat'], { input: pieces(input) }, NEVER);
    const back: Uint8Array[] = [];
    for await (const piece of handle.stdout) back.push(piece);
    return Buffer.concat(back).equals(Buffer.concat(input)) && (await handle.exit).code === 0;
  });
  expect(await Promise.all(runs)).toEqual(Array.from({ length: 40 }, () => true));
});

test('what ended is waited for: nothing is left of a hundred commands', async () => {
  for (let count = 0; count < 100; count += 1) await end(['true']);
  await end(['true']);
  const children = (await readFile(`/proc/${shell.pid}/task/${shell.pid}/children`, 'utf8')).trim();
  // The last one's own process may be told and not yet waited for.
  expect(children.split(' ').filter((pid) => pid !== '').length).toBeLessThan(3);
  expect(await readdir(folder.mount.source)).not.toHaveLength(0);
});

test('an abort lets go of one command only', async () => {
  const stop = new AbortController();
  const other = new AbortController();
  const long = end(['sleep', '1000'], stop.signal);
  const second = end(['sh', '-c', 'read -r line < "$0"; exit 3', `${await pipe()}`], other.signal);
  stop.abort(new McadsError('cancelled', 'no more'));
  await expect(long).rejects.toMatchObject({ code: 'cancelled' });
  expect(await end(['true'])).toEqual({ code: 0, stderr: '' });
  other.abort();
  await expect(second).rejects.toMatchObject({ code: 'cancelled' });
  expect(asked).toBe(0);
});

test('where the shell goes, everything that runs is lost, and nothing more begins', async () => {
  const runs = [end(['sleep', '1000']), end(['sleep', '1000'])].map(async (run) => expect(run).rejects.toThrow('it is gone'));
  expect((await end(['true'])).code).toBe(0); // the two are begun
  shell.kill('SIGKILL');
  await once(shell, 'exit');
  await Promise.all(runs);
  expect(asked).toBe(1);
  await expect(end(['true'])).rejects.toThrow('it is gone');
});

test('a command whose status nobody can tell any more is an error', async () => {
  const own = spawn('sh', [], { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  const impatient = new HelperShell(multiplexed(own), async () => new McadsError('engine-failed', 'asked'), 10);
  const killing = await impatient.start(folder, folder.mount.source, ['sh', '-c', 'kill -9 $PPID'], {}, NEVER);
  await expect(killing.exit).rejects.toThrow('nothing told how');
  impatient.close();
  await once(own, 'exit');
});

test('where nothing can be begun, nothing is left in the folder', async () => {
  const before = await readdir(folder.mount.source);
  const stop = new AbortController();
  stop.abort(new McadsError('cancelled', 'no more'));
  await expect(end(['true'], stop.signal)).rejects.toMatchObject({ code: 'cancelled' });
  helper.close();
  await expect(end(['true'])).rejects.toThrow('it is gone');
  const after = await readdir(folder.mount.source);
  // FIFOs are made many at a time; those that were taken are gone.
  expect(after.length % 32).toBe((before.length % 32) + 30);
});

test('frames that are none are an error of what runs', async () => {
  const connection = Duplex.from(brokenFrames);
  const broken = new HelperShell(connection, async () => new McadsError('engine-failed', 'asked'));
  const { exit } = await broken.start(folder, folder.mount.source, ['true'], {}, NEVER);
  await expect(exit).rejects.toMatchObject({ code: 'engine-failed' });
});

async function* pieces(all: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* all;
}

async function* brokenFrames(told: AsyncIterable<unknown>): AsyncGenerator<Buffer> {
  for await (const _ of told) yield Buffer.from([77, 1, 2, 3, 4, 5, 6, 7, 8]);
}

async function pipe(): Promise<string> {
  return (await folder.createPipe()).path;
}
