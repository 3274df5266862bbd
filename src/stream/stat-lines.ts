import type { Bytes } from '../domain/byte-stream.ts';
import { treeScan, type EntryType, type RawPath, type TarVerdict, type TreeEntry, type TreeScan } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';

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
  return treeScan(parseStatLines(body, walker.resolve), done);
}

/** Entries in the order of the records, by what came at a time. `onStatus` gets the walker's status, or null where its record never came. */
async function* parseStatLines(body: Bytes, onStatus: (status: number | null) => void): AsyncGenerator<Iterable<TreeEntry>> {
  let rest = '';
  let status: number | null = null;
  try {
    for await (const part of body) {
      const records = Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString('latin1').split('\0');
      records[0] = rest + (records[0] ?? '');
      rest = records.pop() ?? '';
      const last = records.at(-1);
      if (status !== null && last !== undefined) throw unreadable(last);
      if (last?.startsWith('~') === true) {
        status = Number(last.slice(1));
        records.pop();
      }
      // Each is made when it is asked for: those of a batch would live long enough to be copied by the garbage collector.
      yield parseRecords(records);
    }
    if (rest !== '') throw unreadable(rest);
  } finally {
    onStatus(status);
  }
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

function* parseRecords(records: readonly string[]): Generator<TreeEntry, void, undefined> {
  for (const record of records) yield parseRecord(record);
}

const SLASH = 0x2f;

/** By hand, because there are millions: without a list of the fields, and without a text for each number. */
function parseRecord(record: string): TreeEntry {
  const pathEnd = record.indexOf('//');
  const type = record.charAt(record.lastIndexOf('/') + 1);
  const targetEnd = record.lastIndexOf('/') - 1;
  const modeAt = targetEnd + 4;
  const uidAt = record.indexOf(' ', modeAt) + 1;
  const gidAt = record.indexOf(' ', uidAt) + 1;
  const sizeAt = record.indexOf(' ', gidAt) + 1;
  const mtimeAt = record.indexOf(' ', sizeAt) + 1;
  const ctimeAt = record.indexOf(' ', mtimeAt) + 1;
  const deviceAt = record.indexOf(' ', ctimeAt) + 1;
  const inodeAt = record.indexOf(' ', deviceAt) + 1;
  const linksAt = record.indexOf(' ', inodeAt) + 1;
  // A missing field makes the search begin anew: they do not ascend then.
  const isWhole = uidAt > modeAt && gidAt > uidAt && sizeAt > gidAt && mtimeAt > sizeAt && ctimeAt > mtimeAt && deviceAt > ctimeAt;
  if (!isWhole || inodeAt <= deviceAt || linksAt <= inodeAt || linksAt === record.length || !isEntryType(type)) throw unreadable(record);
  if (pathEnd < 0 || record.charCodeAt(targetEnd) !== SLASH || !record.startsWith('.')) throw unreadable(record);
  return {
    path: record.slice(2, pathEnd),
    type,
    mode: number(record, modeAt, uidAt - 1, 8),
    uid: number(record, uidAt, gidAt - 1),
    gid: number(record, gidAt, sizeAt - 1),
    size: number(record, sizeAt, mtimeAt - 1),
    mtime: nanoseconds(record.slice(mtimeAt, ctimeAt - 1)),
    ctime: nanoseconds(record.slice(ctimeAt, deviceAt - 1)),
    device: record.slice(deviceAt, inodeAt - 1),
    inode: record.slice(inodeAt, linksAt - 1),
    links: number(record, linksAt, record.length),
    target: type === 'l' ? record.slice(pathEnd + 2, targetEnd) : null,
  };
}

function number(record: string, start: number, end: number, base = 10): number {
  let value = 0;
  for (let at = start; at < end; at += 1) {
    const digit = record.charCodeAt(at) - 0x30;
    if (digit < 0 || digit >= base) throw unreadable(record);
    value = value * base + digit;
  }
  return value;
}

/**
 * find prints ten digits, the last always 0. Times before 1970 with a fraction it prints wrongly (findutils 4.9.0 does): the whole seconds, which
 * are rounded down, get a sign, the fraction behind them still counts upwards. -0.25 s is printed -1.7500000000.
 */
function nanoseconds(time: string): string {
  const dot = time.indexOf('.');
  if (dot < 0) return time;
  if (!time.startsWith('-')) return time.slice(0, dot + 10);
  const fraction = time.slice(dot + 1, dot + 10);
  if (Number(fraction) === 0) return time.slice(0, dot + 10);
  return `-${BigInt(time.slice(1, dot)) - 1n}.${String(1_000_000_000 - Number(fraction)).padStart(9, '0')}`;
}

function isEntryType(text: string): text is EntryType {
  return text.length === 1 && 'fdlpbcs'.includes(text);
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

function unreadable(record: string): McadsError {
  return new McadsError('component-failed', `find wrote a line that is no stat line: ${JSON.stringify(record.slice(0, 200))}`, {
    hint: 'the program named find in the helper is not GNU find, or its output was cut',
  });
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', f: '\f', v: '\v', '\\': '\\', ' ': ' ' };

function unescapeName(text: string): RawPath {
  return text.replace(
    /\\([0-7]{3}|.)/gs,
    (_, code: string) => ESCAPES[code] ?? (code.length === 3 ? String.fromCharCode(Number.parseInt(code, 8)) : code),
  );
}
