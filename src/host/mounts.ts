import { readFile, realpath } from 'node:fs/promises';
import type { RawPath } from '../domain/tree.ts';
import { mountsBelow, targetOfMount } from '../stream/mounts-below.ts';
import { toRaw } from '../stream/raw-path.ts';

/** What is mounted below a folder of this machine, relative to it. */
export async function mountsIn(folder: string): Promise<readonly RawPath[]> {
  return mountsBelow(await mountinfo(), toRaw(await realpath(folder)));
}

/** True where the filesystem that holds a path is mounted read-only. */
export async function isReadOnly(path: string): Promise<boolean> {
  const real = toRaw(await realpath(path));
  const holding = (await mountinfo())
    .map((line) => ({ target: targetOfMount(line), options: line.split(' ')[5] ?? '' }))
    .filter(({ target }) => target === '/' || real === target || real.startsWith(`${target}/`))
    .toSorted((a, b) => b.target.length - a.target.length)[0];
  return holding?.options.split(',').includes('ro') === true;
}

/** One character a byte; nothing where the system tells of no mounts. */
async function mountinfo(): Promise<readonly string[]> {
  const text = await readFile('/proc/self/mountinfo', 'latin1').catch(() => '');
  return text.split('\n').filter((line) => line !== '');
}
