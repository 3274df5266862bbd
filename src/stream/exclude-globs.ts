import type { RawPath } from '../domain/tree.ts';

/**
 * Shell globs relative to the tree's root: `*` and `?` stay within one name, `**` spans directories, `[a-z]` and `[!a]` match one byte,
 * `\` takes the next character as it is. `cache/` and `cache` are the same; `logs/**` keeps the directory and drops its content.
 * A pattern has to match the whole path: write `**` + `/name` for a name at any depth. What is dropped takes everything below it along.
 */
export function excludeMatcher(globs: readonly string[]): (path: RawPath) => boolean {
  if (globs.length === 0) return () => false;
  const pattern = new RegExp(`^(?:${globs.map(toPattern).join('|')})$`, 's');
  return (path) => path !== '' && pattern.test(path);
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
      const end = text.indexOf(']', i + 2);
      if (end < 0) pattern += '\\[';
      else {
        const set = text
          .slice(i + 1, end)
          .replaceAll('\\', '\\\\')
          .replaceAll('[', '\\[');
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
