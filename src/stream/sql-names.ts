/** A table's key in facts: `public.orders`, `"My Schema"."a.b"`; both parts quoted where they are not plain, the same for server and archive. */
export function qualifiedName(schema: string, table: string): string {
  return schema === '' ? plainOrQuoted(table) : `${plainOrQuoted(schema)}.${plainOrQuoted(table)}`;
}

function plainOrQuoted(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) ? name : quoteIdentifier(name);
}

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`;
  return text.includes('\\') ? ` E${quoted}` : quoted;
}

/** A connection string: a bare database name with `=` or `postgres://` in it would be taken for one. */
export function connectionString(parts: Readonly<Record<string, string | number>>): string {
  return Object.entries(parts)
    .map(([key, value]) => `${key}='${String(value).replaceAll(/[\\']/g, (char) => `\\${char}`)}'`)
    .join(' ');
}
