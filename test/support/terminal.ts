import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stripVTControlCharacters } from 'node:util';
import { MAIN } from './run-cli.ts';
import { Screen } from './screen.ts';

export interface TerminalRun extends AsyncDisposable {
  /** Everything that was shown, as a person would have read it. */
  text(): string;
  readonly screen: Screen;
  /** Resolves once this was shown after the last call of `shows`; rejects when the program ends before. */
  shows(pattern: RegExp): Promise<void>;
  /** Keys as a terminal sends them. */
  type(keys: string): void;
  readonly end: Promise<number>;
}

export const KEYS = { up: '\u001b[A', down: '\u001b[B', enter: '\r', escape: '\u001b', interrupt: '\u0003' } as const;

interface TerminalOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly columns?: number;
  readonly rows?: number;
  /** False for programs that speak more of a terminal's language than the screen knows. */
  readonly draws?: boolean;
}

/** Runs the tool in a real pseudo-terminal. */
export function startInTerminal(args: readonly string[], options: TerminalOptions): TerminalRun {
  return startProgramInTerminal([process.execPath, MAIN, ...args], options);
}

/** Any program, in a terminal that util-linux's `script` makes. */
export function startProgramInTerminal(
  argv: readonly string[],
  { cwd, env = {}, columns = 80, rows = 24, draws = true }: TerminalOptions,
): TerminalRun {
  const words = argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const child = spawn('script', ['-qfec', `stty cols ${columns} rows ${rows} && exec ${words}`, '/dev/null'], {
    cwd,
    env: { ...process.env, TERM: 'xterm-256color', SHELL: '/bin/sh', MCADS_REPOSITORY: undefined, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const screen = new Screen(columns);
  let raw = '';
  let looked = 0;
  let waiting: { readonly pattern: RegExp; readonly resolve: () => void; readonly reject: (error: Error) => void } | null = null;
  /** Looks at the raw text: the screen forgets what was drawn over. */
  const look = (): void => {
    if (waiting === null) return;
    const found = waiting.pattern.exec(stripVTControlCharacters(raw.slice(looked)).replaceAll('\r', ''));
    if (found === null) return;
    looked = raw.length;
    waiting.resolve();
    waiting = null;
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    raw += text;
    if (draws) screen.write(text);
    look();
  });
  const end = once(child, 'close').then(([code]) => {
    waiting?.reject(new Error(`ended with ${String(code)} before it showed ${String(waiting.pattern)}:\n${screen.text()}`));
    return Number(code);
  });
  end.catch(() => undefined); // awaited by the test
  return {
    screen,
    text: () => screen.text(),
    shows: (pattern) =>
      new Promise((resolve, reject) => {
        waiting = { pattern, resolve, reject };
        look();
      }),
    type: (keys) => child.stdin.write(keys),
    end,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null) child.kill('SIGKILL');
      await end;
    },
  };
}
