import { readFileSync, statSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import type { ExitCode } from './cli/exit-codes.ts';

/** Starts the command line in this process: compile cache, signals, exit code. */
export async function launch(readVersion: () => Promise<string>): Promise<void> {
  restartLean();
  cacheCompiledCode();
  const [{ run }, { createServices }, version] = await Promise.all([import('./cli/run.ts'), import('./wiring.ts'), readVersion()]);
  const hearsHangup = !isHangupIgnored();
  process.once('beforeExit', atStandstill);
  try {
    process.exitCode = await run(process.argv.slice(2), {
      version,
      environment: process.env,
      workingDirectory: process.cwd(),
      stdin: process.stdin,
      stdout: process.stdout,
      stderr: process.stderr,
      services: createServices(process.env, version),
      onSignal: (listener) => {
        const onInterrupt = (): void => listener('SIGINT');
        const onTerminate = (): void => listener('SIGTERM');
        process.on('SIGINT', onInterrupt);
        process.on('SIGTERM', onTerminate);
        if (hearsHangup) process.on('SIGHUP', onTerminate);
        return () => {
          process.off('SIGINT', onInterrupt);
          process.off('SIGTERM', onTerminate);
          process.off('SIGHUP', onTerminate);
        };
      },
      exitNow: (code: ExitCode) => process.exit(code),
    });
  } finally {
    process.off('beforeExit', atStandstill);
  }
}

/** Where nothing is left that could wake the process but the command has not answered, Node would end as if all had been well. */
function atStandstill(): void {
  process.stderr.write(
    'error: the command came to a standstill before it was done\nThis is a defect. The next command clears up what it left.\n',
  );
  process.exitCode = 1;
}

/** Under nohup a run outlives its terminal; else a lost connection ends it as SIGTERM does, with services brought back. */
function isHangupIgnored(): boolean {
  if (process.platform !== 'linux') return process.platform === 'win32';
  const ignored = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return (BigInt(`0x${ignored}`) & 1n) === 1n;
}

/** These move whole data sets, or look at all of a repository, in this process. */
const MOVES_DATA = 'backup restore rollback drill verify check extract export import prune forget manager'.split(' ');
const LEAN_HEAP = ['--max-semi-space-size=4', '--heap-growing-percent=60', '--initial-old-space-size=40'];

const LEAN_MALLOC = { MALLOC_ARENA_MAX: '4', MALLOC_MMAP_THRESHOLD_: '16777216', MALLOC_TRIM_THRESHOLD_: '67108864' };

/**
 * Chunks of up to 4 MiB are allocated by the thousand, and zstd takes its tables anew for every frame. With a fixed threshold above all of these
 * the same warm pages serve again and again: mapped and given back each time they cost more processor time than the compression (machine
 * of two virtual cores, seconds per GB of 1 MiB chunks at level 3: 7.0 with the threshold at 64 KiB, 2.7 with it at 16 MiB; of
 * 64 KiB chunks 18.5 and 2.8). An arena a thread and V8's half-spaces of 16 MiB in a heap that may double before it is collected would
 * leave 200 MB of holes and garbage. But a heap that is small anyway need not be collected: below 40 MB it is not, which saves an unchanged backup of 50,000
 * files a tenth of its processor time (1.72 and 1.58 s, medians of five). All of it can only be set before a process starts, so this one replaces itself once,
 * keeping its id and streams.
 */
function restartLean(): void {
  if (process.platform !== 'linux' || process.execve === undefined) return;
  if (process.execArgv.includes(LEAN_HEAP[0] ?? '') || !process.argv.slice(2).some((word) => MOVES_DATA.includes(word))) return;
  const argv = [process.execPath, ...LEAN_HEAP, ...process.execArgv, ...process.argv.slice(1)];
  process.execve(process.execPath, argv, { ...LEAN_MALLOC, ...process.env });
}

/** Only below a home folder of our own: compiled code from a folder that others can write would be theirs. */
function cacheCompiledCode(): void {
  const home = process.env['HOME'];
  if (home === undefined || home === '' || process.getuid === undefined) return;
  const owner = statSync(home, { throwIfNoEntry: false })?.uid;
  if (owner === process.getuid()) enableCompileCache(join(process.env['XDG_CACHE_HOME'] ?? join(home, '.cache'), 'mcads-orchestrate'));
}
