import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseGlobals, splitStatements } from '../../src/databases/postgres/globals-text.ts';
import { isOlder } from '../../src/databases/postgres/restore-check.ts';
import { checkCold } from '../../src/databases/postgres/restore-cold.ts';
import { creation, settingOf } from '../../src/databases/postgres/restore-create.ts';
import { databaseProperties } from '../../src/databases/postgres/restore-facts.ts';
import { withoutSecrets } from '../../src/databases/postgres/restore-globals.ts';
import { undoOf } from '../../src/databases/postgres/restore-globals-undo.ts';
import { isRestoreName, restoreNames } from '../../src/databases/postgres/restore-names.ts';

const RUN = '0123456789ab';

describe('names of a restore', () => {
  it('say what they belong to where there is room', () => {
    expect(restoreNames('shop', RUN)).toEqual({ temporary: `shop__mcads_new_${RUN}`, kept: `shop__mcads_old_${RUN}` });
  });

  it('fit, are known as ours and differ for whatever names', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 63 }).filter((one) => Buffer.byteLength(one) <= 63);
    fc.assert(
      fc.property(fc.uniqueArray(name, { minLength: 2, maxLength: 5 }), (databases) => {
        const made = databases.flatMap((database) => Object.values(restoreNames(database, RUN)));
        expect(made.every((one) => Buffer.byteLength(one) <= 63 && isRestoreName(one))).toBe(true);
        expect(new Set(made).size).toBe(made.length);
      }),
    );
  });

  it('keep databases apart that share a long beginning, and no character is cut through', () => {
    const [a, b] = ['a', 'b'].map((end) => restoreNames(`${'→'.repeat(20)}${end}`, RUN).temporary);
    expect(a).not.toBe(b);
    expect(a).toMatch(/^→+~[0-9a-f]{8}__mcads_new_0123456789ab$/);
  });

  it('are not those of users', () => {
    for (const name of ['shop', 'shop__mcads_new_', `shop__mcads_new_${RUN}x`, 'shop__mcads_old_0123456789AB'])
      expect(isRestoreName(name)).toBe(false);
  });
});

const GLOBALS = String.raw`--
-- PostgreSQL database cluster dump
--

\restrict abc

SET default_transaction_read_only = off;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;

CREATE ROLE "odd ""; DROP ROLE x; --
name";
ALTER ROLE "odd ""; DROP ROLE x; --
name" WITH NOSUPERUSER INHERIT NOCREATEROLE CREATEDB LOGIN NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 7 PASSWORD 'SCRAM-SHA-256$4096:a==$b=:c=' VALID UNTIL '2030-01-01 00:00:00+00';
COMMENT ON ROLE "odd ""; DROP ROLE x; --
name" IS 'it''s; a
comment';
CREATE ROLE "Ünï";
ALTER ROLE "Ünï" SET search_path TO 'a; b', 'public';
ALTER ROLE "Ünï" SET "app.key" TO E'x\\'' y';
GRANT "Ünï" TO "TO" WITH ADMIN OPTION, INHERIT TRUE GRANTED BY postgres;
GRANT reader TO "Ünï" GRANTED BY "GRANTED BY";
SET SESSION AUTHORIZATION boss;
GRANT SET ON PARAMETER log_min_messages TO "Ünï";
RESET SESSION AUTHORIZATION;
CREATE TABLESPACE fast OWNER postgres LOCATION '/fast';
GRANT CREATE ON TABLESPACE fast TO reader;
SECURITY LABEL FOR x ON ROLE reader IS 'y';
ALTER GROUP old ADD USER z;
\unrestrict abc
`;

describe('the text of pg_dumpall', () => {
  const odd = 'odd "; DROP ROLE x; --\nname';

  it('is taken apart by statement', () => {
    expect(parseGlobals(GLOBALS).map((one) => Object.fromEntries(Object.entries(one).filter(([key]) => key !== 'sql')))).toEqual([
      { kind: 'create', role: odd },
      {
        kind: 'alter',
        role: odd,
        options: {
          flags: {
            rolsuper: false,
            rolinherit: true,
            rolcreaterole: false,
            rolcreatedb: true,
            rolcanlogin: true,
            rolreplication: false,
            rolbypassrls: false,
          },
          connectionLimit: 7,
          password: 'SCRAM-SHA-256$4096:a==$b=:c=',
          expires: true,
        },
      },
      { kind: 'comment', role: odd },
      { kind: 'create', role: 'Ünï' },
      { kind: 'setting', role: 'Ünï', name: 'search_path' },
      { kind: 'setting', role: 'Ünï', name: 'app.key' },
      {
        kind: 'member',
        group: 'Ünï',
        member: 'TO',
        admin: true,
        grantor: 'postgres',
        plainSql: 'GRANT "Ünï" TO "TO" WITH ADMIN OPTION, INHERIT TRUE',
      },
      { kind: 'member', group: 'reader', member: 'Ünï', admin: false, grantor: 'GRANTED BY', plainSql: 'GRANT reader TO "Ünï"' },
      { kind: 'parameter', role: 'Ünï', parameter: 'log_min_messages', as: 'boss' },
      { kind: 'tablespace', name: 'fast' },
      { kind: 'tablespace', name: 'fast' },
      { kind: 'label', role: 'reader' },
      { kind: 'unknown' },
    ]);
  });

  it('keeps statements whole that are longer than any line', () => {
    const value = 'x;'.repeat(10_000);
    expect(splitStatements(`SELECT '${value}';\nSELECT 2;`)).toEqual([`SELECT '${value}'`, 'SELECT 2']);
  });

  it('gives what sets existing roles back, and nothing for those that were made', () => {
    const before = parseGlobals(
      'CREATE ROLE "Ünï";\nALTER ROLE "Ünï" WITH LOGIN PASSWORD \'old\';\nALTER ROLE "Ünï" SET work_mem TO \'1MB\';\n',
    );
    const undo = undoOf(parseGlobals(GLOBALS), before, new Set(['Ünï', 'reader', 'postgres']), true);
    expect(splitStatements(undo)).toEqual([
      'SET standard_conforming_strings = on',
      'ALTER ROLE "Ünï" WITH CONNECTION LIMIT -1 PASSWORD NULL',
      'ALTER ROLE "Ünï" RESET ALL',
      'COMMENT ON ROLE "Ünï" IS NULL',
      'ALTER ROLE "reader" WITH CONNECTION LIMIT -1 PASSWORD NULL',
      'ALTER ROLE "reader" RESET ALL',
      'COMMENT ON ROLE "reader" IS NULL',
      'REVOKE "reader" FROM "Ünï" CASCADE',
      'REVOKE ALL ON PARAMETER "log_min_messages" FROM "Ünï"',
      'ALTER ROLE "Ünï" WITH LOGIN PASSWORD \'old\'',
      'ALTER ROLE "Ünï" SET work_mem TO \'1MB\'',
    ]);
  });

  it('leaves no verifier in a message', () => {
    for (const text of ['near "SCRAM-SHA-256$4096:a==$b=:c="', "ALTER ROLE x PASSWORD 'hid''den'", 'md50123456789abcdef0123456789abcdef'])
      expect(withoutSecrets(text)).not.toMatch(/4096|hid|den|0123/);
  });
});

describe('a database made again', () => {
  it('gets its recorded locale in the words of the server version', () => {
    const icu = databaseProperties({
      owner: 'o"x',
      encoding: 'UTF8',
      collate: 'C',
      ctype: 'C',
      localeProvider: 'i',
      locale: 'de-DE',
      icuRules: '&a < g',
    });
    expect(creation('n', icu, 17, null)).toBe(
      `create database "n" template template0 encoding 'UTF8' owner "o""x" lc_collate 'C' lc_ctype 'C' locale_provider icu icu_locale 'de-DE' icu_rules '&a < g'`,
    );
    const old = databaseProperties({ owner: 'o', encoding: 'LATIN1', collate: 'C', ctype: 'C' });
    expect(creation('n', old, 14, 'pg_default')).toBe(
      `create database "n" template template0 encoding 'LATIN1' owner "o" lc_collate 'C' lc_ctype 'C'`,
    );
    const builtin = databaseProperties({ owner: 'o', encoding: 'UTF8', collate: 'C', ctype: 'C', localeProvider: 'b', locale: 'C.UTF-8' });
    expect(creation('n', builtin, 17, 'fast disk')).toContain(`locale_provider builtin builtin_locale 'C.UTF-8' tablespace "fast disk"`);
  });

  it.each([
    ['work_mem=5MB', `set "work_mem" to '5MB'`],
    ['app.key=a=b', `set "app.key" to 'a=b'`],
    ['search_path="$user", public, "a,""b"', `set "search_path" to '$user', 'public', 'a,"b'`],
    ['search_path=', `set "search_path" to ''`],
  ])('gets its setting %s', (setting, sql) => {
    expect(settingOf(setting)).toBe(sql);
  });

  it('is told when an extension is older', () => {
    expect([isOlder('1.9', '1.10'), isOlder('1.10', '1.9'), isOlder('3.4.0dev', '3.4.0'), isOlder('2', '2')]).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});

describe('files of a stopped cluster', () => {
  const target = (major: string): Parameters<typeof checkCold>[0] =>
    ({
      service: 'db',
      container: { image: 'postgres', imageEnvironment: major === '' ? {} : { PG_MAJOR: major } },
    }) as unknown as Parameters<typeof checkCold>[0]; // all that is looked at

  it('are only for the major version that wrote them', () => {
    expect(() => checkCold(target('17'), { catalogVersion: '202209061' })).toThrow(
      'PostgreSQL 15 cluster, and the image postgres is PostgreSQL 17',
    );
    for (const [major, catalogVersion] of [
      ['15', '202209061'],
      ['', '202209061'],
      ['17', '999912311'],
    ] as const)
      expect(() => checkCold(target(major), { catalogVersion })).not.toThrow();
  });
});
