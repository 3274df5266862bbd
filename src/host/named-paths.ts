import { realpath } from 'node:fs/promises';

/** An absolute path in a unit or a server's configuration; what stands before it (`=`, a quote, systemd's `-`, `@` and `+`) is none of it. */
const PATHS = /(?<![\w.%/])\/[^\s"'`;,:=|(){}]+/g;

/**
 * The text, and behind it each path in it as it is and as it is without the symlinks in it, one a line. An application that is released as
 * `current -> releases/42` is known to its unit by the link, and to whoever stands in it by the folder.
 */
export async function withRealPaths(text: string): Promise<string> {
  const known = new Map<string, Promise<string | null>>();
  const real = (path: string): Promise<string | null> => {
    const asked = known.get(path) ?? realpath(path).catch(() => null);
    known.set(path, asked);
    return asked;
  };
  const found = new Set<string>();
  for (const [path] of text.matchAll(PATHS)) {
    found.add(path);
    // Each part of it may be a link, and the last ones may not exist.
    for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
      const place = await real(path.slice(0, end));
      if (place !== null) found.add(`${place}${path.slice(end)}`);
    }
  }
  return [text, ...found].join('\n');
}
