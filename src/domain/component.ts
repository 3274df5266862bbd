export const COMPONENT_KINDS = ['database', 'globals', 'volume', 'bind', 'config', 'state', 'image', 'sqlite', 'files'] as const;

export type ComponentKind = (typeof COMPONENT_KINDS)[number];

/** `kind/part/part`, each part percent-encoded: `database/db/mcads`, `volume/media`, `config`. Stable across runs and hosts. */
export type ComponentId = string & { readonly __brand: 'ComponentId' };

const PLAIN = /^[A-Za-z0-9._~@+#-]$/;

/** One id part: letters, digits and `._~@+#-` stay, every other byte becomes `%XX`; parts `.` and `..` are encoded too. */
export function encodeIdPart(text: string): string {
  if (text === '.' || text === '..') return text.replaceAll('.', '%2E');
  let encoded = '';
  for (const byte of new TextEncoder().encode(text)) {
    const char = String.fromCharCode(byte);
    encoded += PLAIN.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

export function decodeIdPart(part: string): string {
  return decodeURIComponent(part);
}

/**
 * Builds an id from raw parts. A part that is itself a path (`/app/media`) loses its leading slash and keeps its inner ones:
 * `bind/web/app/media`.
 */
export function componentId(kind: ComponentKind, ...parts: readonly string[]): ComponentId {
  const encoded = parts.map((part) => part.replace(/^\/+/, '').split('/').map(encodeIdPart).join('/') || '%2F');
  return [kind, ...encoded].join('/') as ComponentId; // the one place that makes the brand from parts
}

/** Like componentId for names that may hold slashes themselves and must stay one part (database names). */
export function componentIdOfName(kind: ComponentKind, service: string, name: string): ComponentId {
  return `${kind}/${encodeIdPart(service)}/${encodeIdPart(name)}` as ComponentId;
}

export function kindOf(id: ComponentId): ComponentKind {
  const kind = id.split('/', 1)[0];
  const found = COMPONENT_KINDS.find((candidate) => candidate === kind);
  if (found === undefined) throw new TypeError(`not a component id: ${id}`);
  return found;
}

/** `null` where the text is no component id. */
export function parseComponentId(text: string): ComponentId | null {
  const [kind, ...parts] = text.split('/');
  if (!COMPONENT_KINDS.some((candidate) => candidate === kind)) return null;
  const single = kind === 'config' || kind === 'state';
  if (single !== (parts.length === 0) || parts.some((part) => part === '')) return null;
  return text as ComponentId; // checked above
}

/** Glob over ids for `--component`: `*` matches within one part, `**` and a trailing `/*` across parts; a bare kind matches all of it. */
export function matchesComponent(id: ComponentId, glob: string): boolean {
  if (glob === id || (!glob.includes('*') && id.startsWith(`${glob}/`))) return true;
  const pattern = glob
    .replace(/\/\*$/, '/**')
    .split('**')
    .map((piece) =>
      piece
        .split('*')
        .map((literal) => literal.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
        .join('[^/]*'),
    )
    .join('.*');
  return new RegExp(`^${pattern}$`, 's').test(id);
}
