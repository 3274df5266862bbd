import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { isUtf8 } from 'node:buffer';

const AWKWARD = String.raw`
set -eu
umask 022
printf 'plain text\n' > plain.txt
mkdir -p empty-dir deep/er/est 'with space' a a.b 'a b'
printf x > a/x; printf y > a.b/y; printf z > 'a b/z'
printf s > setuid; chmod 4755 setuid
printf g > setgid; chmod 2755 setgid
mkdir sticky; chmod 1777 sticky
printf 0 > no-rights; chmod 0000 no-rights
printf o > owned; chown 1234:4321 owned
mkdir owned-dir; printf q > owned-dir/q; chown -R 70000:3000000 owned-dir
touch -d '2001-02-03 04:05:06.123456789Z' ns-time
touch -d '1969-12-31 23:59:58Z' before-1970
touch -d '2100-01-01 00:00:00.5Z' future
ln -s /etc/passwd absolute-link
ln -s nowhere/at//all dangling-link
ln -s '' . 2>/dev/null || true
ln -s "$(printf '../\377\n')" odd-target
printf 'hard linked' > linked-first
ln linked-first deep/er/linked-second
ln linked-first zz-linked-third
long=$(printf '%0255d' 0 | tr 0 n)
ln linked-first "$long"
mkfifo fifo
head -c 300000 /dev/urandom > large.bin
head -c 131072 /dev/zero > just-large
head -c 131071 /dev/zero > just-small
truncate -s 5M holes; printf end >> holes; printf mid | dd of=holes bs=1 seek=2500000 conv=notrunc status=none
truncate -s 9G huge-sparse; printf tail >> huge-sparse
truncate -s 1M only-hole
printf v > xattrs; setfattr -n user.colour -v blue xattrs; setfattr -n user.bytes -v 0x00ff0a xattrs
setfattr -n user.on-dir -v yes deep
printf v > acl; setfacl -m u:1234:rw-,g:4321:r-- acl
mkdir acl-dir; setfacl -m d:u:1234:rwx acl-dir
printf c > capable; chmod 755 capable; setcap cap_net_raw+ep capable
printf n > "$(printf 'new\nline')"
printf n > ./-dash; printf n > ./--version; printf n > 'back\slash\n'; printf n > '*?[glob]'; printf n > "quo'te\"s"
printf n > "$(printf '\377\376bytes')"; printf n > "$(printf '\001x')"; printf n > "$(printf 'tab\there')"
printf n > 'ümläut-日本'
mkdir "$(printf '%0250d' 1)"; printf n > "$(printf '%0250d' 1)/$(printf '%0255d' 2)"
if [ "$(id -u)" = 0 ]; then mknod null-device c 1 3; mknod block-device b 7 200; fi
chmod 2751 .; chown 1000:2000 .
setfattr -n user.root -v top .
touch -d '2011-11-11 11:11:11.111111111Z' deep/er/est empty-dir .
`;

/** Fills a directory with everything that a copy can get wrong: owners, modes, times, links, holes, xattrs, ACLs, capabilities, names. */
export function createAwkwardTree(directory: string): void {
  execFileSync('bash', ['-c', AWKWARD], { cwd: directory, env: { ...process.env, LC_ALL: 'C' }, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** sparse: more than half of the length is a hole, so that a copy that fills holes shows. */
const FINGERPRINT = String.raw`
set -eu
find . -print0 | sort -z | while IFS= read -r -d '' path; do
  stat --printf '%f %u %g %Y %y ' -- "$path"
  if [ -L "$path" ]; then printf 'link '; readlink -n -- "$path" | od -An -v -tx1 | tr -d ' \n'
  elif [ -f "$path" ]; then
    stat --printf '%s %h ' -- "$path"
    if [ "$(stat -c %s -- "$path")" -gt 4000000000 ]; then tail -c 100000 -- "$path" | sha256sum | cut -c1-64 | tr -d '\n'
    else sha256sum < "$path" | cut -c1-64 | tr -d '\n'; fi
    if [ "$(stat -c %s -- "$path")" -gt 65536 ] && [ $(( $(stat -c %b -- "$path") * 1024 )) -lt "$(stat -c %s -- "$path")" ]; then printf ' sparse'; fi
  elif [ -b "$path" ] || [ -c "$path" ]; then stat --printf '%t:%T' -- "$path"; fi
  printf ' '
  if ! [ -L "$path" ]; then
    getfattr -d -m - -e hex --absolute-names -- "$path" 2>/dev/null | tail -n +2 | sort | tr '\n' ' '
  fi
  printf '%s\0' "$path"
done
`;

/** The same without what a restore replaced: that is kept beside the new for a week. */
export function fingerprintLive(directory: string): readonly string[] {
  return fingerprintTree(directory).filter((line) => !line.includes('/.mcads-restore-'));
}

/** One line per entry: mode, owner, times to the nanosecond, content, links, holes, xattrs with ACLs and capabilities, path. Hard links as groups at the end. */
export function fingerprintTree(directory: string): readonly string[] {
  const run = (script: string): readonly string[] =>
    execFileSync('bash', ['-c', script], { cwd: directory, env: { ...process.env, LC_ALL: 'C' }, maxBuffer: 1e9 })
      .toString('latin1')
      .split('\0')
      .slice(0, -1);
  const groups = new Map<string, string[]>();
  for (const line of run(String.raw`find . -type f -links +1 -printf '%i %p\0' | sort -z -k 2`)) {
    const inode = line.slice(0, line.indexOf(' '));
    groups.set(inode, [...(groups.get(inode) ?? []), line.slice(inode.length + 1)]);
  }
  return [...run(FINGERPRINT), ...[...groups.values()].map((names) => `same inode: ${names.join(' = ')}`).toSorted()].map(readable);
}

function readable(line: string): string {
  const bytes = Buffer.from(line, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : line;
}

/** The whole content of a file, for short comparisons. */
export function contentOf(path: string): string {
  return readFileSync(path, 'utf8');
}
