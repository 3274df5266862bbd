import type { Bytes } from '../domain/byte-stream.ts';
import { treeScan, type RawPath, type TarVerdict, type TreeScan } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { StatRecords } from './scan-records.ts';

/** How a process ended: its status (null: killed or unknown) and everything it wrote on stderr. */
export interface ScriptEnd {
  readonly status: number | null;
  readonly stderr: string;
}

/**
 * Reads what `scanScript` and `restatScript` write. `end` is the process's own end; `done` rejects where the walk was cut short,
 * whatever the process's status says, because only the last record carries the walker's status.
 */
export function toTreeScan(body: Bytes, end: Promise<ScriptEnd>, purpose: 'scan' | 'restat'): TreeScan {
  const walker = Promise.withResolvers<number | null>();
  const done = Promise.all([walker.promise, end]).then(([status, ended]) => ({ problems: problemsOf(status, ended, purpose) }));
  done.catch(() => undefined);
  end.catch(() => walker.resolve(null));
  const records = new StatRecords(body, walker.resolve);
  return { ...treeScan(records.batches(), done), records };
}

/** NUL-terminated `./paths`, as the scripts take them. */
export function listed(paths: RawPath | readonly RawPath[]): string {
  if (typeof paths === 'string') return `./${paths}\0`;
  return paths.length === 0 ? '' : `./${paths.join('\0./')}\0`;
}

/** Judges how a `tarScript` ended. Rejects (throws) for anything but success, changed files and errors about single files. */
export function tarVerdict({ status, stderr }: ScriptEnd): TarVerdict {
  const messages = linesOf(stderr);
  const fatal = messages.some((line) => line.includes('Error is not recoverable'));
  if (fatal || (status !== 0 && status !== 1 && status !== 2) || (status === 2 && messages.length === 0)) {
    throw new McadsError('component-failed', `tar ended with ${statusText(status)}: ${tail(messages)}`, {
      hint: 'the messages come from the program that reads the files; look at the source filesystem and its free memory',
    });
  }
  return { messages: messages.filter((line) => !line.includes('Exiting with failure status')) };
}

/** The path in one of tar's or find's messages (`tar: ./a\nb: Cannot open: …`), null where none is recognised. */
export function pathOfMessage(message: string): RawPath | null {
  const match = /^(?:tar: \.\/(.*?): (?:Cannot |file |File |Warning: )|find: '\.\/(.*)': )/.exec(message);
  const quoted = match?.[1] ?? match?.[2];
  return quoted === undefined ? null : unescapeName(quoted);
}

function problemsOf(walker: number | null, { status, stderr }: ScriptEnd, purpose: 'scan' | 'restat'): readonly string[] {
  const lines = linesOf(stderr);
  // 1 is find's and 123 is xargs' word for "some could not be looked at": those have a line each.
  const complete = walker === 0 || (purpose === 'scan' && walker === 1) || (purpose === 'restat' && walker === 123);
  if (status !== 0 || !complete || (walker !== 0 && lines.length === 0)) {
    throw new McadsError('component-failed', `listing the files ended early with ${statusText(walker ?? status)}: ${tail(lines)}`, {
      hint: 'the messages come from find, sort or xargs; look at the source filesystem and the space for temporary files',
    });
  }
  return purpose === 'scan' ? lines : lines.filter((line) => !/: (No such file or directory|Not a directory)$/.test(line));
}

function linesOf(stderr: string): readonly string[] {
  return stderr.split('\n').filter((line) => line.trim() !== '');
}

function tail(lines: readonly string[]): string {
  return lines.length === 0 ? 'no message' : lines.slice(-3).join('; ').slice(-1000);
}

function statusText(status: number | null): string {
  return status === null ? 'no status' : `status ${status}`;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', f: '\f', v: '\v', '\\': '\\', ' ': ' ' };

function unescapeName(text: string): RawPath {
  return text.replace(
    /\\([0-7]{3}|.)/gs,
    (_, code: string) => ESCAPES[code] ?? (code.length === 3 ? String.fromCharCode(Number.parseInt(code, 8)) : code),
  );
}
