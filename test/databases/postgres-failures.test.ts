import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeControlData } from '../../src/databases/postgres/cold-state.ts';
import {
  explainConnectFailure,
  harmlessComplaints,
  isLockTimeout,
  lastWords,
  unknownComplaints,
} from '../../src/databases/postgres/failures.ts';
import { connectionString, qualifiedName, quoteLiteral } from '../../src/stream/sql-names.ts';

const CONTEXT = { user: 'app', passwordFrom: 'POSTGRES_PASSWORD' };

function reason(stderr: string, code = 2, context: Parameters<typeof explainConnectFailure>[2] = CONTEXT): string {
  const failure = explainConnectFailure(code, stderr, context);
  return failure.kind === 'final' ? failure.reason : failure.kind;
}

describe('what psql says', () => {
  it.each([
    ['connection to server on socket "/tmp/.s.PGSQL.5432" failed: No such file or directory', 'absent'],
    ['connection to server at "127.0.0.1", port 5432 failed: Connection refused', 'absent'],
    ['FATAL:  Peer authentication failed for user "app"', 'peer'],
    ['FATAL:  database "postgres" does not exist', 'no-database'],
    ['FATAL:  password authentication failed for user "app"', 'the server refused user app: the password from POSTGRES_PASSWORD is wrong'],
    ['fe_sendauth: no password supplied', 'the server wants a password for user app and none is known'],
    [
      'FATAL:  sorry, too many clients already',
      'the server accepts no more connections (max_connections or a connection limit is reached)',
    ],
    ['FATAL:  the database system is starting up', 'the server is still starting up'],
    ['FATAL:  the database system is shutting down', 'the server is shutting down'],
    ['FATAL:  role "app" does not exist', 'there is no user app'],
    ['something never seen', 'something never seen'],
  ])('means: %s', (stderr, meaning) => {
    expect(reason(`psql: error: ${stderr}`)).toBe(meaning === 'something never seen' ? 'something never seen' : meaning);
  });

  it('names a missing client', () => {
    expect(reason('exec failed', 127)).toBe('its image has no psql that can be run');
  });

  it('tells a refused user without a password how to give one', () => {
    const failure = explainConnectFailure(2, 'FATAL:  password authentication failed for user "app"', { user: 'app', passwordFrom: null });
    expect(failure).toMatchObject({
      kind: 'final',
      reason: 'the server refused user app: it wants a password',
      hint: expect.stringContaining('mcads.postgres.passwordFile'),
    });
  });
});

describe('what pg_dump says', () => {
  it('accepts no complaint that is not known to be harmless', () => {
    const stderr = [
      'pg_dump: warning: there are circular foreign-key constraints on this table:',
      'pg_dump: detail: a',
      'WARNING:  database "x" has a collation version mismatch',
      'pg_dump: warning: something new',
      'pg_dump: error: bad',
    ].join('\n');
    expect(unknownComplaints(stderr)).toEqual(['pg_dump: warning: something new', 'pg_dump: error: bad']);
    expect(harmlessComplaints(stderr)).toHaveLength(2);
    expect(unknownComplaints('')).toEqual([]);
  });

  it('knows a lock timeout and the line that says most', () => {
    const stderr =
      'pg_dump: error: query failed: ERROR:  canceling statement due to statement timeout\npg_dump: detail: Query was: LOCK TABLE public.t IN ACCESS SHARE MODE\n';
    expect(isLockTimeout(stderr)).toBe(true);
    expect(lastWords(stderr)).toBe('query failed: ERROR:  canceling statement due to statement timeout');
  });
});

describe('names', () => {
  it('gives two different tables two different keys', () => {
    fc.assert(
      fc.property(fc.tuple(fc.string(), fc.string()), fc.tuple(fc.string(), fc.string()), (one, two) => {
        fc.pre(one[0] !== '' && two[0] !== '');
        expect(qualifiedName(...one) === qualifiedName(...two)).toBe(one[0] === two[0] && one[1] === two[1]);
      }),
    );
  });

  it('writes names as the archive does where they are plain', () => {
    expect(qualifiedName('public', 'orders_2')).toBe('public.orders_2');
    expect(qualifiedName('My', 'a"b')).toBe('"My"."a""b"');
  });

  it('keeps a database name from being read as connection settings', () => {
    expect(connectionString({ dbname: "a=b 'c' \\", port: 5432 })).toBe("dbname='a=b \\'c\\' \\\\' port='5432'");
    expect(quoteLiteral("o'x")).toBe("'o''x'");
    expect(quoteLiteral('a\\b')).toBe(" E'a\\\\b'");
  });
});

describe('pg_controldata', () => {
  const text = (state: string): string =>
    `pg_control version number:            1300\nDatabase system identifier:           7711\nDatabase cluster state:               ${state}\nLatest checkpoint's REDO location:    0/2CC5A58\n`;

  it.each([
    ['shut down', true],
    ['shut down in recovery', true],
    ['in production', false],
    ['shutting down', false],
    ['in crash recovery', false],
    ['in archive recovery', false],
  ])('calls %s clean: %s', (state, clean) => {
    expect(judgeControlData(text(state), '')).toMatchObject({
      clean,
      detail: `pg_control says: ${state}`,
      facts: { clusterState: state, systemIdentifier: '7711' },
    });
  });

  it('trusts no damaged control file and no empty answer', () => {
    expect(judgeControlData(`WARNING: Calculated CRC checksum does not match value stored in file.\n${text('shut down')}`, '').clean).toBe(
      false,
    );
    expect(judgeControlData('', '').clean).toBe(false);
  });
});
