import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readdir } from 'node:fs/promises';

export interface Measured {
  readonly seconds: number;
  /** Processor time of the process and its children, and of the programs in helper containers. */
  readonly cpuSeconds: number;
  /** The most memory that the process and its children held at one time, shared pages counted once; bytes. */
  readonly peakBytes: number;
  /** The same for the programs that ran in helper containers meanwhile, file cache not counted. */
  readonly helperBytes: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

/** As src/launch.ts starts the commands that move data. */
export const LEAN = ['--max-semi-space-size=4', '--heap-growing-percent=60', '--initial-old-space-size=40'];

export interface MeasureOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Discard stdout instead of keeping it. */
  readonly discard?: boolean;
}

/** `times` prints what the shell's children used, in minutes and seconds. */
const TIMED = '"$@"; code=$?; times >&3; exit $code';

/** Runs a command as a whole process: wall and processor time, and memory. */
export async function measure(command: string, args: readonly string[], options: MeasureOptions = {}): Promise<Measured> {
  const started = performance.now();
  const child = spawn('sh', ['-c', TIMED, 'sh', command, ...args], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', options.discard === true ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  const times: Buffer[] = [];
  child.stdio[3]?.on('data', (piece: Buffer) => times.push(piece));
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on('data', (piece: Buffer) => out.push(piece));
  child.stderr?.on('data', (piece: Buffer) => err.push(piece));
  let peakBytes = 0;
  const helpers = new Map<number, HelperSample>();
  const sampling = setInterval(() => {
    void sample(child.pid).then(({ held, largest }) => {
      peakBytes = Math.max(peakBytes, held, largest);
    });
    void sampleHelpers(helpers);
  }, 250);
  const [code] = (await once(child, 'close')) as [number | null]; // the event's own arguments
  clearInterval(sampling);
  return {
    seconds: (performance.now() - started) / 1000,
    cpuSeconds: childSeconds(Buffer.concat(times).toString()) + sum([...helpers.values()].map(({ cpuSeconds }) => cpuSeconds)),
    peakBytes,
    helperBytes: sum([...helpers.values()].map(({ peakBytes }) => peakBytes)),
    stdout: Buffer.concat(out).toString(),
    stderr: Buffer.concat(err).toString(),
    code,
  };
}

interface HelperSample {
  readonly peakBytes: number;
  readonly cpuSeconds: number;
}

/** The second line of `times`: user and system time of the children. */
function childSeconds(times: string): number {
  const line = times.trim().split('\n')[1] ?? '';
  return sum([...line.matchAll(/(\d+)m([\d.]+)s/g)].map(([, minutes, seconds]) => Number(minutes) * 60 + Number(seconds)));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** The kernel's clock ticks a second, the same on every Linux. */
const TICKS = 100;

const HELPER_PROGRAMS = new Set(['tar', 'find', 'sort', 'tr', 'xargs', 'pg_restore']);

/** Programs of that name in a container: nothing else on a benchmark's machine runs them there. */
async function sampleHelpers(helpers: Map<number, HelperSample>): Promise<void> {
  for (const pid of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(pid)) continue;
    const name = (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim();
    if (!HELPER_PROGRAMS.has(name)) continue;
    const cgroup = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '');
    if (!/docker|containerd/.test(cgroup)) continue;
    const peak = /^VmHWM:\s+(\d+) kB/m.exec(await readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''))?.[1];
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    const [user = 0, system = 0] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13)
      .map(Number);
    if (peak !== undefined) helpers.set(Number(pid), { peakBytes: Number(peak) * 1024, cpuSeconds: (user + system) / TICKS });
  }
}

/**
 * What a process and its children hold now (their proportional share of what they share), and the high-water mark that the kernel kept of the largest
 * of them: that one only grows, so it also knows what lay between two samples.
 */
async function sample(pid: number | undefined): Promise<{ readonly held: number; readonly largest: number }> {
  if (pid === undefined) return { held: 0, largest: 0 };
  const own = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  let held = kilobytes(/^Pss:\s+(\d+) kB/m, await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => ''));
  let largest = kilobytes(/^VmHWM:\s+(\d+) kB/m, await readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''));
  for (const task of await readdir(`/proc/${pid}/task`).catch(() => [])) {
    const children = await readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '');
    for (const child of children.trim().split(' ').filter(Boolean)) {
      // Between fork and exec a child has its parent's memory and mark.
      if ((await readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '')) === own) continue;
      const below = await sample(Number(child));
      held += below.held;
      largest = Math.max(largest, below.largest);
    }
  }
  return { held, largest };
}

function kilobytes(pattern: RegExp, text: string): number {
  return Number(pattern.exec(text)?.[1] ?? 0) * 1024;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** What earlier runs left for the disk to write is written now, not on the time of whoever flushes next. */
export async function settleDisks(): Promise<void> {
  await once(spawn('sync', { stdio: 'ignore' }), 'close');
}

/** Runs a command as `measure` does, and throws what the program said where it did not succeed. */
export async function checked(
  command: string,
  args: readonly string[],
  setup: { readonly env: Readonly<Record<string, string>> },
  env: Readonly<Record<string, string>> = {},
  cwd?: string,
): Promise<Measured> {
  const run = await measure(command, args, { env: { ...setup.env, ...env }, ...(cwd === undefined ? {} : { cwd }) });
  if (run.code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${run.code}\n${run.stdout}\n${run.stderr}`);
  return run;
}
