import { readFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';

const STAR_IMPORT = /^[ \t]*from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]+\*[ \t]*(?:#.*)?$/gm;

/**
 * The text of a module below a directory, with that of what it takes over by `from … import *` in its place, as if it were written there: what
 * comes later counts. Null where there is no such module.
 */
export async function settingsText(directory: string, module: string): Promise<string | null> {
  return textOf(directory, join(directory, ...module.split('.')), new Set());
}

async function textOf(directory: string, base: string, seen: Set<string>): Promise<string | null> {
  const away = relative(directory, base);
  if (away === '..' || away.startsWith(`..${sep}`)) return null; // dots that lead out of the application
  const plain = await readText(`${base}.py`);
  const path = plain === null ? join(base, '__init__.py') : `${base}.py`;
  const text = plain ?? (await readText(path));
  if (text === null || seen.has(path)) return text === null ? null : '';
  seen.add(path);
  const parts: string[] = [];
  let end = 0;
  for (const match of text.matchAll(STAR_IMPORT)) {
    const [line, dots = '', name = ''] = match;
    const from = dots === '' ? directory : join(dirname(path), ...Array<string>(dots.length - 1).fill('..'));
    const names = name.split('.').filter((one) => one !== '');
    if (names.length === 0) continue; // of the package itself
    parts.push(text.slice(end, match.index), (await textOf(directory, join(from, ...names), seen)) ?? '');
    end = match.index + line.length;
  }
  return [...parts, text.slice(end)].join('\n');
}

export async function readText(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch(() => null);
}
