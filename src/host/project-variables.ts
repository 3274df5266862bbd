import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Secret } from '../domain/secret.ts';

/** Variables of an application as its `.env` sets them. Values may be secrets: they are only used, never told. */
export async function projectVariables(directory: string): Promise<(name: string) => string | null> {
  const variables = new Map<string, string>();
  const text = await readFile(join(directory, '.env'), 'utf8').catch(() => '');
  for (const line of text.split('\n')) {
    const found = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$/.exec(line);
    if (found?.[1] === undefined) continue;
    const value = found[2] ?? '';
    const quoted = /^(['"])(.*)\1$/.exec(value);
    variables.set(found[1], quoted === null ? value.replace(/\s+#.*$/, '') : (quoted[2] ?? ''));
  }
  return (name) => variables.get(name) ?? null;
}

/** A `DATABASE_URL` in its parts. */
export type DatabaseUrl =
  | { readonly kind: 'sqlite'; readonly path: string }
  | {
      readonly kind: 'postgres';
      readonly host: string;
      readonly port: number;
      readonly user: string;
      readonly database: string;
      readonly password: Secret | null;
      readonly parameters: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'other'; readonly scheme: string }
  /** Set, and no URL that names a database. */
  | { readonly kind: 'unclear' };

/**
 * As dj-database-url and django-environ read it: `sqlite:///relative`, `sqlite:////absolute`, `postgres://user:password@host:port/name`; what libpq takes
 * from parameters (`?host=/run/postgresql`) too. Null: none is named.
 */
export function parseDatabaseUrl(text: string): DatabaseUrl | null {
  const scheme = /^([a-z][a-z0-9+]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (text.trim() === '') return null;
  if (scheme === undefined || decode(text).includes('\0')) return { kind: 'unclear' };
  if (scheme === 'sqlite' || scheme === 'sqlite3') {
    const path = decode(text.slice(text.indexOf('://') + 4).replace(/[?#].*$/s, ''));
    return path === '' || path === ':memory:' ? null : { kind: 'sqlite', path };
  }
  if (!/^(?:postgres|postgresql|psql|postgis|pgsql)$/.test(scheme)) return { kind: 'other', scheme };
  // A user before no host is no URL, and is what libpq takes for its socket.
  const url = URL.parse(`postgres${text.slice(text.indexOf('://')).replace(/^(:\/\/(?:[^/?#]*@)?)(?=[:/?#]|$)/, '$1localhost')}`);
  if (url === null) return { kind: 'unclear' };
  const { password: given, ...parameters } = Object.fromEntries(url.searchParams);
  const database = parameters['dbname'] ?? decode(url.pathname.slice(1));
  const port = parameters['port'] ?? url.port;
  const password = given ?? decode(url.password);
  if (database === '' || !/^\d*$/.test(port)) return { kind: 'unclear' };
  const socket = /^%2f/i.test(url.hostname) ? decode(url.hostname) : null;
  return {
    kind: 'postgres',
    host: parameters['host'] ?? socket ?? (url.hostname === '' ? 'localhost' : url.hostname.replace(/^\[|\]$/g, '')),
    port: port === '' ? 5432 : Number(port),
    user: parameters['user'] ?? (decode(url.username) || 'postgres'),
    database,
    password: password === '' ? null : new Secret(password),
    parameters,
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
