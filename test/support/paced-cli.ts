import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { MAIN } from './run-cli.ts';

export interface PacedRun {
  readonly pid: number;
  /** Resolves with the first stderr line that matches; rejects when the process ends before. */
  line(pattern: RegExp): Promise<string>;
  signal(signal: NodeJS.Signals): void;
  /** The exit code, or null after a signal killed it; with everything it wrote. */
  readonly end: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
}

/** Runs the tool and lets a test act at the moment when it says a certain thing, without waiting for a time. */
export function startCli(
  args: readonly string[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string | undefined>> },
): PacedRun {
  const child = spawn(process.execPath, [MAIN, '--progress', 'plain', ...args], {
    cwd: options.cwd,
    env: { ...process.env, NO_COLOR: '1', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  const lines: string[] = [];
  const waiting: { readonly pattern: RegExp; readonly resolve: (line: string) => void; readonly reject: (error: Error) => void }[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line);
    for (const waiter of waiting) if (waiter.pattern.test(line)) waiter.resolve(line);
  });
  const end = once(child, 'close').then(([code]) => {
    const stderr = lines.join('\n');
    for (const waiter of waiting)
      waiter.reject(new Error(`the run ended with ${String(code)} before it said ${String(waiter.pattern)}:\n${stderr}`));
    return { code: code as number | null, stdout, stderr }; // the event's own argument
  });
  return {
    pid: child.pid ?? 0,
    line: (pattern) =>
      new Promise((resolve, reject) => {
        const seen = lines.find((line) => pattern.test(line));
        if (seen === undefined) waiting.push({ pattern, resolve, reject });
        else resolve(seen);
      }),
    signal: (signal) => child.kill(signal),
    end,
  };
}
