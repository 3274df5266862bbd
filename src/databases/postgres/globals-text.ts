import { SqlStatements } from '../../stream/sql-statements.ts';

/** What `ALTER ROLE … WITH` says. */
export interface RoleOptions {
  /** Column of `pg_roles` to what it shall be. */
  readonly flags: Readonly<Record<string, boolean>>;
  readonly connectionLimit: number | null;
  /** A verifier: never in messages. */
  readonly password: string | null;
  /** It has a VALID UNTIL. */
  readonly expires: boolean;
}

/** One statement of `pg_dumpall --globals-only`; `sql` comes without its semicolon. */
export type GlobalStatement =
  | { readonly kind: 'create'; readonly role: string; readonly sql: string }
  | { readonly kind: 'alter'; readonly role: string; readonly options: RoleOptions; readonly sql: string }
  | { readonly kind: 'setting'; readonly role: string; readonly name: string; readonly sql: string }
  | { readonly kind: 'comment' | 'label'; readonly role: string; readonly sql: string }
  | {
      readonly kind: 'member';
      readonly group: string;
      readonly member: string;
      readonly admin: boolean;
      readonly grantor: string | null;
      readonly sql: string;
      /** The same in the name of who runs it. */
      readonly plainSql: string;
    }
  | { readonly kind: 'parameter'; readonly role: string; readonly parameter: string; readonly as: string | null; readonly sql: string }
  | { readonly kind: 'tablespace'; readonly name: string; readonly sql: string }
  | { readonly kind: 'unknown'; readonly sql: string };

interface Token {
  readonly kind: 'word' | 'name' | 'string' | 'mark';
  /** Without quotes. */
  readonly text: string;
  readonly at: number;
}

const TOKEN =
  /[eE]'((?:[^'\\]|\\[\s\S]|'')*)'|'((?:[^']|'')*)'|"((?:[^"]|"")*)"|([A-Za-z_\u0080-\uffff][\w$.\u0080-\uffff]*)|(-?\d+)|(\S)/g;

const FLAGS: Readonly<Record<string, string>> = {
  SUPERUSER: 'rolsuper',
  INHERIT: 'rolinherit',
  CREATEROLE: 'rolcreaterole',
  CREATEDB: 'rolcreatedb',
  LOGIN: 'rolcanlogin',
  REPLICATION: 'rolreplication',
  BYPASSRLS: 'rolbypassrls',
};

/** Whole statements of SQL without psql's own commands and without their semicolons; quoted text may hold anything. */
export function splitStatements(text: string): readonly string[] {
  const statements = new SqlStatements(Infinity);
  const found: string[] = [];
  // One character per byte, as the splitter wants it.
  for (const line of Buffer.from(text).toString('latin1').split('\n')) {
    if (statements.betweenStatements && line.startsWith('\\')) continue;
    for (const one of statements.push(line)) found.push(Buffer.from(one, 'latin1').toString().replace(/;$/, '').trim());
  }
  return found.filter((one) => one !== '');
}

/** Pure. Settings of the session that restores are left out: a restore has its own. */
export function parseGlobals(text: string): readonly GlobalStatement[] {
  const found: GlobalStatement[] = [];
  let as: string | null = null;
  for (const sql of splitStatements(text)) {
    const tokens = tokensOf(sql);
    const words = tokens.slice(0, 4).map(({ kind, text: word }) => (kind === 'word' ? word.toUpperCase() : ''));
    if (words[0] === 'SET' && words[1] === 'SESSION' && words[2] === 'AUTHORIZATION') as = tokens[3]?.text ?? null;
    else if (words[0] === 'RESET' && words[1] === 'SESSION') as = null;
    else if (words[0] !== 'SET') found.push(statementOf(sql, tokens, words, as));
  }
  return found;
}

/** False where backslashes in plain strings are escapes. */
export function hasStandardStrings(text: string): boolean {
  return !/^SET standard_conforming_strings = off;/m.test(text);
}

function statementOf(sql: string, tokens: readonly Token[], words: readonly string[], as: string | null): GlobalStatement {
  const role = tokens[2]?.text ?? '';
  const start = `${words[0]} ${words[1]}`;
  if (start === 'CREATE ROLE') return { kind: 'create', role, sql };
  if (start === 'ALTER ROLE' && words[3] === 'WITH') return { kind: 'alter', role, options: optionsOf(tokens.slice(4)), sql };
  if (start === 'ALTER ROLE' && words[3] === 'SET') return { kind: 'setting', role, name: (tokens[4]?.text ?? '').toLowerCase(), sql };
  if (start === 'COMMENT ON' && words[2] === 'ROLE') return { kind: 'comment', role: tokens[3]?.text ?? '', sql };
  if (start === 'COMMENT ON' && words[2] === 'TABLESPACE') return { kind: 'tablespace', name: tokens[3]?.text ?? '', sql };
  if (start === 'SECURITY LABEL') return labelOf(sql, tokens);
  if (words[1] === 'TABLESPACE') return { kind: 'tablespace', name: role, sql };
  if (words[0] === 'GRANT' || words[0] === 'REVOKE') return grantOf(sql, tokens, as);
  return { kind: 'unknown', sql };
}

function labelOf(sql: string, tokens: readonly Token[]): GlobalStatement {
  const on = tokens.findIndex(({ kind, text }) => kind === 'word' && text === 'ON');
  const name = tokens[on + 2]?.text ?? '';
  const what = tokens[on + 1]?.text;
  return what === 'ROLE' ? { kind: 'label', role: name, sql } : { kind: what === 'TABLESPACE' ? 'tablespace' : 'unknown', name, sql };
}

/** `GRANT a TO b …`, `GRANT SET ON PARAMETER x TO b`, `GRANT CREATE ON TABLESPACE t TO b`. */
function grantOf(sql: string, tokens: readonly Token[], as: string | null): GlobalStatement {
  const word = (at: number): string => (tokens[at]?.kind === 'word' ? (tokens[at]?.text ?? '') : '');
  if (word(2) === 'TO' && word(0) === 'GRANT') {
    const by = tokens.findIndex((_, at) => at > 3 && word(at) === 'GRANTED' && word(at + 1) === 'BY');
    const grant = { kind: 'member', group: tokens[1]?.text ?? '', member: tokens[3]?.text ?? '', sql } as const;
    const admin = tokens.some((_, at) => at > 3 && word(at) === 'ADMIN' && (word(at + 1) === 'OPTION' || word(at + 1) === 'TRUE'));
    const end = by === -1 ? sql.length : (tokens[by]?.at ?? sql.length);
    return { ...grant, admin, grantor: by === -1 ? null : (tokens[by + 2]?.text ?? null), plainSql: sql.slice(0, end).trimEnd() };
  }
  const on = tokens.findIndex((_, at) => word(at) === 'ON' && (word(at + 1) === 'PARAMETER' || word(at + 1) === 'TABLESPACE'));
  const to = tokens.findIndex((_, at) => at > on && (word(at) === 'TO' || word(at) === 'FROM'));
  if (on === -1 || to === -1) return { kind: 'unknown', sql };
  const name = tokens[on + 2]?.text ?? '';
  if (word(on + 1) === 'TABLESPACE') return { kind: 'tablespace', name, sql };
  return { kind: 'parameter', role: tokens[to + 1]?.text ?? '', parameter: name, as, sql };
}

function optionsOf(tokens: readonly Token[]): RoleOptions {
  const flags: Record<string, boolean> = {};
  let connectionLimit: number | null = null;
  let password: string | null = null;
  let expires = false;
  for (const [at, { kind, text }] of tokens.entries()) {
    if (kind !== 'word') continue;
    const flag = FLAGS[text] ?? FLAGS[text.replace(/^NO/, '')];
    if (flag !== undefined) flags[flag] = FLAGS[text] !== undefined;
    else if (text === 'VALID') expires = true;
    else if (text === 'LIMIT') connectionLimit = Number(tokens[at + 1]?.text);
    else if (text === 'PASSWORD' && tokens[at + 1]?.kind === 'string') password = tokens[at + 1]?.text ?? null;
  }
  return { flags, connectionLimit, password, expires };
}

function tokensOf(sql: string): readonly Token[] {
  return [...sql.matchAll(TOKEN)].map((match): Token => {
    const [, escaped, plain, name, word, digits, mark] = match;
    const at = match.index;
    if (escaped !== undefined) return { kind: 'string', text: escaped.replaceAll("''", "'").replaceAll(/\\([\s\S])/g, '$1'), at };
    if (plain !== undefined) return { kind: 'string', text: plain.replaceAll("''", "'"), at };
    if (name !== undefined) return { kind: 'name', text: name.replaceAll('""', '"'), at };
    if (word !== undefined) return { kind: 'word', text: word, at };
    return { kind: 'mark', text: digits ?? mark ?? '', at };
  });
}
