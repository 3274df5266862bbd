/**
 * Shell texts that build a tree beside the live one and move it in. They run under dash or bash with GNU tar, find, xargs and coreutils, get the
 * root of the tree as $1 and need nothing quoted by the caller. Names travel NUL-separated on stdin and stdout.
 */
import { shellQuote, TAR_FORMAT_OPTIONS } from './tree-commands.ts';

export const STAGING_PREFIX = '.mcads-restore-';
/** Where a restore on a host writes down what is to be undone. */
export const STATE_FOLDER = `${STAGING_PREFIX}state`;
const STAGING = /^\.mcads-restore-(?:[0-9a-f]{12}(?:-[^]*)?|state)$/;

/** A staging directory of a restore or a file that it keeps, wherever it is: it belongs to nobody else and is never captured. */
export function isStagingName(name: string): boolean {
  return name.startsWith(STAGING_PREFIX) && STAGING.test(name);
}

/** The same of a path's last name. */
export function endsInStagingName(path: string): boolean {
  const at = path.lastIndexOf('/') + 1;
  return path.startsWith(STAGING_PREFIX, at) && isStagingName(path.slice(at));
}

export function stagingName(run: string): string {
  return `${STAGING_PREFIX}${run}`;
}

const EXTRACT_OPTIONS = [
  '--extract',
  '--preserve-permissions',
  '--same-owner',
  '--numeric-owner',
  '--xattrs',
  "--xattrs-include='*'",
  '--acls',
  '--delay-directory-restore',
  '--force-local',
  '--blocking-factor=128', // reads of 64 KiB, what a pipe holds: a fifth less processor time than with the usual 10 KiB
  '--quoting-style=escape',
  '--warning=no-timestamp', // of the future, or of before 1970: it was so at the source
].join(' ');

/** Extraction of the archive on stdin into the current directory. */
const EXTRACT = `tar ${EXTRACT_OPTIONS} --file=-`;
const SAVE_DIRECTORIES = `tar --create ${TAR_FORMAT_OPTIONS.map(shellQuote).join(' ')} --no-recursion --force-local --null --no-unquote`;
const ENTER = 'export LC_ALL=C; cd -P -- "$1" || exit 125';

/** What changes the root's time is undone at once: $stamp holds it. */
const STAMP = 'stamp=$(stat -c %y .) || exit 4';
const RESTAMP = 'touch -c -m -d "$stamp" . || exit 4';

/** Old programs know no `-f`. A write that failed is told only once: all of them asked again would be content. */
const SYNC = `{ said=$(sync -f . 2>&1) || case "$said" in *'error syncing'*) printf '%s\\n' "$said" >&2; exit 4 ;; *) sync ;; esac; }`;

/** $2 the staging directory: what somebody has put in its place, in a folder that is theirs, leads elsewhere. */
const NO_LINK = '[ ! -L "$2" ] || { echo "$2 is a link by now" >&2; exit 4; }';

/** $2 the staging directory. Makes it anew, with `new` filled from the tar on stdin. Exit 4: the directory cannot be made. */
export const STAGE = `${ENTER}; ${STAMP}; rm -rf -- "$2" || exit 4
(umask 077; mkdir -- "$2" "$2/new" "$2/old") || exit 4; ${RESTAMP}
cd -- "$2/new" && exec ${EXTRACT}`;

/** Writes out what was staged so far. Exit 4: the disk did not take it. */
export const FLUSH = `${ENTER}; ${SYNC}`;

/** $2 the staging directory. stdin: a plan (JSON). Keeps what the split directories are like, writes the plan down, flushes all of it. */
export const PREPARE_SWAP = `${ENTER}; ${NO_LINK}; cat > "$2/plan.part" || exit 4`;

/** $2 the staging directory; stdin: split directories. Their owners, modes, attributes and times, as they are now, go into $3 (a file in the staging directory), read below $4. */
export const SAVE_SPLITS = `${ENTER}; ${NO_LINK}; file="$(pwd -P)/$2/$3"; cd -- "$4" && ${SAVE_DIRECTORIES} --files-from=- --file="$file"`;

/** $2 the staging directory; stdin: directories to make in it. */
export const MAKE_FOLDERS = `${ENTER}; ${NO_LINK}; cd -- "$2" && (umask 077; xargs -0 -r mkdir -p --)`;

/** $2 the staging directory. Everything that was staged is on the disk before the plan is, and that before the first rename. */
export const COMMIT_PLAN = `${ENTER}; ${NO_LINK}; ${SYNC} && mv -- "$2/plan.part" "$2/plan" && sync "$2/plan" "$2"`;

/** $2 where to; stdin: names to move there, of one filesystem. Never over something that is there, and never by copying where `mv` can be told so (coreutils 9.2): half a copy looks like a whole move. */
export const MOVE = `${ENTER}; only=; mv --no-copy --version >/dev/null 2>&1 && only=--no-copy; xargs -0 -r mv -n $only -t "$2" --`;

/** $2 the staging directory, $3 the file of SAVE_SPLITS: the live directories become as it says. */
export const APPLY_SPLITS = `${ENTER}; ${NO_LINK}; [ ! -e "$2/$3" ] || ${EXTRACT} < "$2/$3" || exit 4; sync -f . || sync`;

/** $2 the staging directory. Prints the plan; exit 3 where there is none, 2 where there is no staging directory. */
export const READ_PLAN = `${ENTER}; ${NO_LINK}; [ -d "$2" ] || exit 2; [ -e "$2/plan" ] || exit 3; exec cat -- "$2/plan"`;

/**
 * $2 the staging directory, $3 what was moved away in it, $4 a name beside. Where something in that was written behind the plan, and so by nobody of
 * ours, it is kept under that name; prints it then.
 */
export const KEEP_SINCE = `${ENTER}; ${NO_LINK}; [ -d "./$2/$3" ] && [ -e "./$2/plan" ] || exit 0; ${STAMP}
[ -n "$(find "./$2/$3" -newer "./$2/plan" ! -type d -print -quit | tr '\\000' x)" ] || exit 0
mv -n -- "./$2/$3" "./$4" || exit 4; ${RESTAMP}; printf '%s' "$4"`;

/** $2 the staging directory. The root keeps its times. The plan goes first: without it nothing is ever moved back. */
export const REMOVE_STAGING = `${ENTER}; ${NO_LINK}; [ -d "$2" ] || exit 0; ${STAMP}; rm -f -- "$2/plan" && sync "$2" && rm -rf --one-file-system -- "$2" || exit 4; ${RESTAMP}; sync -f . || sync`;

/** Prints the root's inode. */
export const ROOT_INODE = `${ENTER}; exec stat -c %i .`;

/** Prints where the root is, NUL, and what is mounted where. */
export const MOUNTS = `${ENTER}; printf '%s\\000' "$(pwd -P)"; cat /proc/self/mountinfo 2>/dev/null; exit 0`;

/** stdin: directories. For each that is one (and no symlink): `D<path>`, then `E<name>` for each child; at the end `~<status>`. */
export const LIST_FOLDERS = `${ENTER}
xargs -0 -r sh -c ${shellQuote(
  'for d; do if [ -d "$d" ] && [ ! -L "$d" ]; then printf "D%s\\0" "$d"; find "$d" -mindepth 1 -maxdepth 1 -printf "E%f\\0" || exit 1; fi; done',
)} sh; printf '~%d\\000' "$?"`;

/** stdin: files. \`<hash>  <path>\` records, NUL-terminated; missing ones are left out. */
export const HASH_FILES = `${ENTER}; xargs -0 -r sha256sum -z -- 2>/dev/null; exit 0`;

/** $2: topmost directory that the restore made, relative to the root; all in it came later. */
export const REMOVE_CREATED = `${ENTER}; ${STAMP}; rm -rf -- "$2" || exit 4; ${RESTAMP}`;

/** By find, because our own image has no rmdir. $2: a directory below the root, $3: the topmost of those above it that go too, where nothing is in them. Exit 3: something is. */
export const REMOVE_EMPTY = `${ENTER}; ${STAMP}; at=$2
while [ ! -d "$at" ] || { find "./$at" -maxdepth 0 -type d -empty -delete; [ ! -d "$at" ]; }; do
  [ "$at" != "$3" ] || break
  case "$at" in */*) at=\${at%/*} ;; *) break ;; esac
done
${RESTAMP}; [ ! -d "$3" ] || exit 3`;

/** $2: path below $1 whose missing directories are made, each owned as its parent is. */
export const MAKE_PATH = `${ENTER}; ${STAMP}
rest=$2
while [ -n "$rest" ]; do
  name=\${rest%%/*}; case "$rest" in */*) rest=\${rest#*/} ;; *) rest= ;; esac
  if [ ! -d "./$name" ]; then mkdir -- "./$name" && chown --reference=. -- "./$name" && chmod 755 -- "./$name" || exit 4; fi
  cd -P -- "./$name" || exit 4
done`;

/**
 * $2: name of a single file, or nothing; $3: something where repositories are looked for. Prints: f, d or - (what is there); whether something is in it (1 or 0); \`stat -f\` of it; its inode; where it is; mountinfo, NUL; repositories of this tool in it, NUL behind each.
 * Exit 3: not the GNU programs.
 */
export const PROBE_PLACE = `${ENTER}
if [ -n "$2" ]; then
  if [ -d "./$2" ] && [ ! -L "./$2" ]; then kind=d; elif [ -e "./$2" ] || [ -L "./$2" ]; then kind=f; else kind=-; fi
  if [ "$kind" = - ]; then filled=0; else filled=1; fi
else
  kind=d; filled=0
  [ -z "$(find . -mindepth 1 -maxdepth 1 ! -name '${STAGING_PREFIX}*' -print -quit | tr '\\000' x)" ] || filled=1
fi
printf '%s %s\\n' "$kind" "$filled"; stat -f -c '%i %a %S %d' . && stat -c %i . || exit 4; pwd -P; cat /proc/self/mountinfo; printf '\\000'
[ -n "$2" ] || [ -z "$3" ] || find . -name '${STAGING_PREFIX}*' -prune -o -name repository.json -type f -execdir sh -c '[ -d chunks ] && [ -d snapshots ]' \\; -printf '%h\\0' 2>/dev/null; :`;
