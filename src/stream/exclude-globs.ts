import type { RawPath } from '../domain/tree.ts';

/**
 * Shell globs relative to the tree's root: `*` and `?` stay within one name, `**` spans directories, `[a-z]` and `[!a]` match one byte,
 * `\` takes the next character as it is. `cache/` and `cache` are the same; `logs/**` keeps the directory and drops its content.
 * A pattern has to match the whole path: write `**` + `/name` for a name at any depth. What is dropped takes everything below it along.
 */
export function excludeMatcher(globs: readonly string[]): (path: RawPath) => boolean {
  if (globs.length === 0) return () => false;
  // Looked for in the last name alone: an optional `.*` + `/` is tried at every slash, for each glob, on each of millions of paths.
  const names = globs.flatMap((glob) => ANY_DEPTH.exec(glob)?.[1] ?? []);
  const ofName = anyOf(names);
  const ofPath = anyOf(globs.filter((glob) => !ANY_DEPTH.test(glob)));
  return (path) => path !== '' && (ofName(path.slice(path.lastIndexOf('/') + 1)) || ofPath(path));
}

/** A name, which may hold wildcards, at any depth. */
const ANY_DEPTH = /^\*\*\/((?!.*\*\*)[^/]+)\/?$/s;

function anyOf(globs: readonly string[]): (text: string) => boolean {
  if (globs.length === 0) return () => false;
  const pattern = new RegExp(`^(?:${globs.map(toPattern).join('|')})$`, 's');
  return (text) => pattern.test(text);
}

/** A path as a glob that matches only itself. */
export function escapeGlob(path: string): string {
  return path.replace(/[\\*?[]/g, '\\$&');
}

function toPattern(glob: string): string {
  const text = Buffer.from(glob.replace(/^(?:\.?\/)+/, '').replace(/\/+$/, ''), 'utf8').toString('latin1');
  let pattern = '';
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i] ?? '';
    if (text.startsWith('**/', i)) {
      pattern += '(?:.*/)?';
      i += 2;
    } else if (text.startsWith('**', i)) {
      pattern += '.*';
      i += 1;
    } else if (char === '*') pattern += '[^/]*';
    else if (char === '?') pattern += '[^/]';
    else if (char === '[') {
      // A bracket that comes first is one of the set.
      const end = text.indexOf(']', i + ('!^'.includes(text[i + 1] ?? ' ') ? 3 : 2));
      if (end < 0) pattern += '\\[';
      else {
        const set = text
          .slice(i + 1, end)
          .replaceAll('\\', '\\\\')
          .replaceAll('[', '\\[')
          .replaceAll(']', '\\]');
        pattern += `(?!/)[${set.startsWith('!') ? `^${set.slice(1)}` : set.startsWith('^') ? `\\${set}` : set}]`;
        i = end;
      }
    } else {
      if (char === '\\') i += 1;
      pattern += (text[i] ?? '\\').replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
    }
  }
  return pattern;
}
