import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { OpenFile } from '../domain/ports.ts';

/** O_WRONLY or O_RDWR, in the octal digits of fdinfo. */
const WRITES = 0o3;

/** Who has one of these files open for writing, as far as we may look: root at everybody's, others at their own. Never rejects. */
export async function openForWriting(paths: readonly string[], proc = '/proc'): Promise<readonly OpenFile[]> {
  if (paths.length === 0) return [];
  const wanted = new Set(paths);
  const found: OpenFile[] = [];
  for (const pid of (await readdir(proc).catch(() => [])).filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid) continue;
    const folder = join(proc, pid);
    const open = new Set<string>();
    for (const fd of await readdir(join(folder, 'fd')).catch(() => [])) {
      const path = await readlink(join(folder, 'fd', fd)).catch(() => '');
      if (wanted.has(path) && !open.has(path) && (await writes(join(folder, 'fdinfo', fd)))) open.add(path);
    }
    if (open.size === 0) continue;
    // Only the program: arguments may hold a password.
    const [program = ''] = (await readFile(join(folder, 'cmdline'), 'utf8').catch(() => '')).split('\0', 1);
    const unit = (await readFile(join(folder, 'cgroup'), 'utf8').catch(() => ''))
      .split(/[/\n]/)
      .findLast((part) => part.endsWith('.service'));
    for (const path of open) found.push({ path, pid: Number(pid), name: basename(program), unit: unit ?? null });
  }
  return found;
}

async function writes(fdinfo: string): Promise<boolean> {
  const flags = /^flags:\s*([0-7]+)$/m.exec(await readFile(fdinfo, 'utf8').catch(() => ''))?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & WRITES) !== 0;
}
