/**
 * Shell texts that scan and read a tree with GNU find, sort, xargs, tr and tar. They run under dash or bash with the tree's root as working
 * directory, need nothing quoted by the caller, and write to stdout. Used in helper containers and on this machine alike.
 *
 * Decision: records are sorted outside our memory by GNU sort. Walk order wants `/` below every other byte, so `tr` rotates the bytes
 * 1..0x2f by one around the sort (swapping `/` with \001 alone would misplace names that hold \001). A record is
 * `path//target//fields`: a path from find never holds `//` and the fields hold no `/`, so both ends are found without escaping.
 * dash has no pipefail: the walker's exit status travels as the last record, `~status`; all others begin with a dot.
 */
import type { TransportName } from '../domain/tree.ts';

/** Quotes one argument for sh. */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

const RECORD = shellQuote('%p//%l//%y %m %U %G %s %T@ %C@ %D %i %n\\0');
const TO_SORTABLE = `tr '\\001-\\057' '\\002-\\057\\001'`;
const FROM_SORTABLE = `tr '\\002-\\057\\001' '\\001-\\057'`;
const STATUS_RECORD = `printf '~%d\\000' "$?"`;

export interface TreeRoot {
  /** Name of the only file under the working directory that is the tree (single-file binds); null for a directory tree. */
  readonly singleFile: string | null;
  /** Folder for sort's temporary files. */
  readonly temporaryDirectory: string;
  /** Folders that are listed and not entered: what changes all the time and is left out anyway. */
  readonly prune?: readonly string[];
}

/** All entries in walk order as stat lines (`toTreeScan` reads them). What find could not look at is on stderr. */
export function scanScript(root: TreeRoot): string {
  const find = `find ${startOf(root)} -xdev -ignore_readdir_race ${pruning(root)}-printf ${RECORD}`;
  return `export LC_ALL=C; { ${find}; ${STATUS_RECORD}; } | ${sorted(root)}`;
}

/** Stat lines of the NUL-terminated `./paths` on stdin, in their order; vanished ones only leave a line on stderr. */
export function restatScript(): string {
  const find = `exec find "$@" -maxdepth 0 -ignore_readdir_race -printf ${RECORD}`;
  return `export LC_ALL=C; xargs -0 -r sh -c ${shellQuote(find)} sh; ${STATUS_RECORD}`;
}

/**
 * The options that decide a member's bytes, part of every fingerprint. Hard links are never followed up here: later names of an inode
 * are not passed to tar. `delete=atime,delete=ctime` and the fixed header name leave nothing in a member that changes by reading it.
 */
export const TAR_FORMAT_OPTIONS: readonly string[] = [
  '--format=posix',
  '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime',
  '--sparse',
  '--xattrs',
  '--acls',
  '--numeric-owner',
];

/** GNU tar's arguments to write exactly the NUL-terminated `./paths` on stdin to `output` (`-` is stdout). */
export function tarArguments(output: string): readonly string[] {
  return [
    '--create',
    ...TAR_FORMAT_OPTIONS,
    '--no-recursion',
    '--blocking-factor=128', // 64 KiB, what a pipe holds; the padding after the trailer is cut off anyway
    '--quoting-style=escape', // one message is one line, and its path can be read back
    '--force-local',
    '--null',
    '--no-unquote', // a backslash in a name is a backslash
    '--files-from=-',
    `--file=${output}`,
  ];
}

/**
 * Tar of the NUL-terminated `./paths` on stdin, in their order, each with its content: two names that became one file since they were listed
 * would else leave one of them without. tar replaces the shell, so its status is the script's.
 */
export function tarScript(output = '-'): string {
  return `export LC_ALL=C; exec tar ${[...tarArguments(output), '--hard-dereference'].map(shellQuote).join(' ')}`;
}

/** Tar of the whole tree in walk order, without sockets. */
export function tarAllScript(root: TreeRoot, output = '-'): string {
  const find = `find ${startOf(root)} -xdev -ignore_readdir_race ${pruning(root)}! -type s -print0`;
  return `export LC_ALL=C; ${find} | ${sorted(root)} | tar ${tarArguments(output).map(shellQuote).join(' ')}`;
}

/** Prints the time when it began (`seconds.nanoseconds`), then flushes the tree's filesystem; works on a read-only mount too. */
export function syncScript(): string {
  return `export LC_ALL=C; date +%s.%N && { sync -f . 2>/dev/null || sync; }`;
}

/** Prints tar's version line; fails where one of the programs is missing or not GNU's. */
export function probeScript(): string {
  return [
    'export LC_ALL=C',
    "find --version | grep -q 'GNU findutils'",
    'printf 1 | sort -z >/dev/null',
    "printf 1 | tr '\\001-\\057' '\\002-\\057\\001' >/dev/null",
    'printf x | xargs -0 -r true',
    "tar --version | grep 'GNU tar'",
  ].join(' && ');
}

/** The argv that runs one of the scripts. */
export function shellArguments(script: string): readonly string[] {
  return ['sh', '-c', script];
}

/** A tree source's `recipe`: whatever could change a member's bytes while its stat lines stay the same. */
export function recipeOf(transport: TransportName, tarVersion: string): string {
  return [transport, tarVersion.trim(), ...TAR_FORMAT_OPTIONS].join(' ');
}

/** Goes on with the folder itself, not below it. */
function pruning({ prune = [] }: TreeRoot): string {
  const tests = prune.map((path) => `-path ${shellQuote(`./${path.replaceAll(/[\\*?[]/g, '\\$&')}`)}`);
  return tests.length === 0 ? '' : `\\( ! \\( ${tests.join(' -o ')} \\) -o -prune \\) `;
}

function startOf(root: TreeRoot): string {
  return root.singleFile === null ? '.' : shellQuote(`./${root.singleFile}`);
}

function sorted(root: TreeRoot): string {
  return `${TO_SORTABLE} | sort -z -S 64M -T ${shellQuote(root.temporaryDirectory)} | ${FROM_SORTABLE}`;
}
