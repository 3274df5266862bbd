import { isJsonObject, type JsonValue } from '../../domain/byte-stream.ts';
import type { DatabaseSource } from '../../domain/database-ports.ts';

export interface RoleSettings {
  /** Null: of the database for everybody. */
  readonly role: string | null;
  /** `name=value` as `pg_db_role_setting` holds them. */
  readonly settings: readonly string[];
}

/** What a dump recorded of its database; null where that server's version had no such thing. */
export interface DatabaseProperties {
  readonly owner: string;
  readonly encoding: string;
  readonly collate: string | null;
  readonly ctype: string | null;
  /** `c`, `i` or `b`. */
  readonly localeProvider: string | null;
  readonly locale: string | null;
  readonly icuRules: string | null;
  readonly isTemplate: boolean;
  readonly connectionLimit: number;
  readonly tablespace: string | null;
  /** Null: the defaults. */
  readonly acl: readonly string[] | null;
  readonly comment: string | null;
  readonly settings: readonly RoleSettings[];
  readonly extensions: Readonly<Record<string, string>>;
  readonly bytes: number;
}

export interface RecordedDatabase {
  readonly properties: DatabaseProperties;
  readonly versionNum: number;
  /** Of the dump; 0 where it was not recorded. */
  readonly bytes: number;
  /** Table (as `qualifiedName` writes it) to rows. */
  readonly rows: ReadonlyMap<string, number>;
  readonly objects: ReadonlyMap<string, number>;
  /** Owners and rights, counted; null where an older version recorded none. */
  readonly access: ReadonlyMap<string, number> | null;
}

/** The facts of a database component in their shape; what is missing gets a value that asks for nothing. */
export function recordedDatabase({ facts }: DatabaseSource): RecordedDatabase {
  const properties = databaseProperties(facts['properties']);
  const archive = entries(facts['archive']).flatMap(([table, one]): [string, number][] =>
    isJsonObject(one) && typeof one['rows'] === 'number' ? [[table, one['rows']]] : [],
  );
  return {
    properties,
    versionNum: number(facts['serverVersionNum'], 0),
    bytes: number(facts['bytes'], 0),
    rows: new Map([...numbers(facts['rowsLive']), ...archive]),
    objects: new Map(numbers(facts['objects'])),
    access: facts['access'] === undefined ? null : new Map(numbers(facts['access'])),
  };
}

export function databaseProperties(value: JsonValue | undefined): DatabaseProperties {
  const told = isJsonObject(value) ? value : {};
  return {
    owner: text(told['owner']) ?? '',
    encoding: text(told['encoding']) ?? 'UTF8',
    collate: text(told['collate']),
    ctype: text(told['ctype']),
    localeProvider: text(told['localeProvider']),
    locale: text(told['locale']),
    icuRules: text(told['icuRules']),
    isTemplate: told['isTemplate'] === true,
    connectionLimit: number(told['connectionLimit'], -1),
    tablespace: text(told['tablespace']),
    acl: Array.isArray(told['acl']) ? texts(told['acl']) : null,
    comment: text(told['comment']),
    settings: roleSettings(told['settings']),
    extensions: Object.fromEntries(entries(told['extensions']).map(([name, version]) => [name, text(version) ?? ''])),
    bytes: number(told['bytes'], 0),
  };
}

/** 15 of 150016. */
export function majorOf(versionNum: number): number {
  return Math.floor(versionNum / 10_000);
}

function roleSettings(value: JsonValue | undefined): readonly RoleSettings[] {
  return (Array.isArray(value) ? (value as readonly JsonValue[]) : []).flatMap((one) =>
    // Array.isArray forgets the element type of readonly arrays
    isJsonObject(one) ? [{ role: text(one['role']), settings: texts(one['settings']) }] : [],
  );
}

function entries(value: JsonValue | undefined): readonly (readonly [string, JsonValue])[] {
  return isJsonObject(value) ? Object.entries(value) : [];
}

function numbers(value: JsonValue | undefined): readonly (readonly [string, number])[] {
  return entries(value).flatMap(([name, one]): [string, number][] => (typeof one === 'number' ? [[name, one]] : []));
}

function texts(value: JsonValue | undefined): readonly string[] {
  return (Array.isArray(value) ? (value as readonly JsonValue[]) : []).filter((one) => typeof one === 'string'); // as above
}

function text(value: JsonValue | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

function number(value: JsonValue | undefined, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise;
}
