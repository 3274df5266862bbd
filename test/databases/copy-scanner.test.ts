import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CopyScanner, type ScannedScript } from '../../src/stream/copy-scanner.ts';

const END = '--\n-- PostgreSQL database dump complete\n--\n\n';

function scan(script: string | Buffer, cuts: readonly number[] = []): ScannedScript {
  const bytes = Buffer.from(script);
  const scanner = new CopyScanner();
  let from = 0;
  for (const cut of [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b)) {
    scanner.push(bytes.subarray(from, cut));
    from = cut;
  }
  scanner.push(bytes.subarray(from));
  return scanner.finish();
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function quoted(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

/** COPY text of one field, as the server writes it. */
function field(value: string | null): string {
  if (value === null) return '\\N';
  const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };
  return value.replaceAll(/[\\\n\r\t]/g, (char) => escapes[char] ?? char);
}

const text = fc
  .oneof(
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.constantFrom('\\.', '.', '\\', '\n\\.\n', '', '\\.\n', 'COPY x FROM stdin;', "it's", '$$', '--'),
  )
  .map((value) => value.replaceAll('\0', ''));
const name = fc.oneof(
  fc.constantFrom('a', 'Weird "name"', 'two words', 'Ünï→', 'new\nline', 'x.y', "it's; FROM stdin;", '-- no', '$$', '(', 'ORDER'),
  fc.string({ minLength: 1, maxLength: 8 }),
);
const table = fc.record({ schema: name, table: name, rows: fc.array(fc.array(fc.option(text), { maxLength: 3 }), { maxLength: 6 }) });

describe('CopyScanner', () => {
  it('counts and hashes exactly the rows of every table, however the script is cut', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(table, { maxLength: 4, selector: (one) => JSON.stringify([one.schema, one.table]) }),
        fc.array(fc.nat(4000), { maxLength: 40 }),
        (tables, cuts) => {
          const data = tables.map((one) => one.rows.map((row) => `${row.map(field).join('\t')}\n`).join(''));
          const script = tables
            .map(
              (one, at) =>
                `--\n-- Data for Name: x; Type: TABLE DATA; Schema: s; Owner: o\n--\n\nCOPY ${quoted(one.schema)}.${quoted(one.table)} (id) FROM stdin;\n${data[at]}\\.\n\n\n`,
            )
            .join('');
          const found = scan(`SET client_encoding = 'UTF8';\n${script}${END}`, cuts);
          expect(found.tables).toEqual(
            tables.map((one, at) => ({
              schema: one.schema,
              table: one.table,
              rows: one.rows.length,
              bytes: Buffer.byteLength(data[at] ?? ''),
              sha256: sha256(data[at] ?? ''),
            })),
          );
          expect(found.entries).toEqual(tables.length === 0 ? {} : { 'TABLE DATA': tables.length });
        },
      ),
    );
  });

  it('gives the same answer byte by byte as in one piece', () => {
    const script = `CREATE TABLE public.t (a text);\n\nCOPY public.t (a) FROM stdin;\n\\\\.\n\\.\\.\n.\n\n\\\\N\n\\.\n\nSELECT pg_catalog.setval('public."a;b"', 3, true);\n${END}`;
    const whole = scan(script);
    expect(scan(script, [...Buffer.from(script).keys()])).toEqual(whole);
    expect(whole.tables[0]?.rows).toBe(5);
    expect(whole.sequences).toBe(1);
  });

  it('counts rows of tables without columns and of empty tables', () => {
    const { tables } = scan(`COPY public.nothing  FROM stdin;\n\n\n\n\\.\n\nCOPY public.empty (a) FROM stdin;\n\\.\n${END}`);
    expect(tables.map((one) => [one.table, one.rows])).toEqual([
      ['nothing', 3],
      ['empty', 0],
    ]);
  });

  it('counts the same for rows of one byte and rows of kilobytes', () => {
    for (const row of ['1\n', `${'x'.repeat(5000)}\n`]) {
      const data = row.repeat(5000);
      expect(scan(`COPY a.b (c) FROM stdin;\n${data}\\.\n${END}`, [65536, 131072, 131075]).tables[0]).toEqual({
        schema: 'a',
        table: 'b',
        rows: 5000,
        bytes: data.length,
        sha256: sha256(data),
      });
    }
  });

  it('is not misled by what functions, strings and names hold', () => {
    const traps = [
      'CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $_$\nCOPY public.fake (a) FROM stdin;\n1\n\\.\n$$;\n$_$;',
      "COMMENT ON TABLE public.t IS 'one; two\nCOPY public.fake (a) FROM stdin;\nit''s';",
      "COMMENT ON TABLE public.t IS E'back\\\\slash \\' still; in\nCOPY public.fake (a) FROM stdin;\n';",
      'CREATE TABLE public."a;\nCOPY public.fake (a) FROM stdin;\n" (x text); -- "open\n',
      'CREATE FUNCTION g() RETURNS integer\n    LANGUAGE sql\n    BEGIN ATOMIC\n SELECT 1;\nEND;',
    ];
    const { tables } = scan(`${traps.join('\n')}\nCOPY public.t (a) FROM stdin;\n1\n\\.\n${END}`);
    expect(tables.map((one) => [one.table, one.rows])).toEqual([['t', 1]]);
  });

  it('counts entries by type, large objects and sequences', () => {
    const script = [
      '-- Name: mood; Type: TYPE; Schema: public; Owner: postgres',
      '-- Name: t_fkey; Type: FK CONSTRAINT; Schema: public; Owner: Some; Type: One',
      '-- Name: a; Type: FAKE; Schema: x; Owner: y; Type: INDEX; Schema: public; Owner: postgres',
      '-- Data for Name: BLOBS; Type: BLOBS; Schema: -; Owner: -',
      "SELECT pg_catalog.lo_open('16401', 131072);",
      "SELECT pg_catalog.lowrite(0, '\\x3b27');",
      'SELECT pg_catalog.lo_close(0);',
      "SELECT pg_catalog.setval('public.s', 1, true);",
    ].join('\n');
    const found = scan(`${script}\n${END}`);
    expect(found.entries).toEqual({ TYPE: 1, 'FK CONSTRAINT': 1, INDEX: 1, BLOBS: 1 });
    expect([found.largeObjects, found.sequences]).toEqual([1, 1]);
  });

  it('hashes statements without their comments and random restrict keys', () => {
    const one = scan(`\\restrict abc\n-- Dumped by 15.1\nCREATE TABLE a ();\n\\unrestrict abc\n${END}`);
    const two = scan(`\\restrict xyz\n-- Dumped by 15.2\nCREATE TABLE a ();\n\\unrestrict xyz\n${END}`);
    expect(one.statementsSha256).toBe(two.statementsSha256);
    expect(one.statementsSha256).not.toBe(scan(`CREATE TABLE b ();\n${END}`).statementsSha256);
  });

  it('reads names in the encoding of the archive', () => {
    const script = Buffer.from(`SET client_encoding = 'LATIN1';\nCOPY public."caf\u00e9" (a) FROM stdin;\n\\.\n${END}`, 'latin1');
    expect(scan(script).tables[0]?.table).toBe('café');
  });

  it.each([
    ['inside a table', 'COPY public.t (a) FROM stdin;\n1\n', /ends inside the data of public\.t/],
    ['inside the end of a table', 'COPY public.t (a) FROM stdin;\n1\n\\.', /ends inside the data/],
    ['inside a statement', 'CREATE TABLE public.t (\n', /ends inside a statement/],
    ['before its last line', 'CREATE TABLE public.t ();\n', /lacks its last line/],
    ['with nothing at all', '', /lacks its last line/],
    ['with a table twice', `COPY a.b (c) FROM stdin;\n\\.\nCOPY a.b (c) FROM stdin;\n\\.\n${END}`, /a\.b twice/],
  ])('refuses a script that ends %s', (_where, script, message) => {
    expect(() => scan(script)).toThrow(message);
  });
});
