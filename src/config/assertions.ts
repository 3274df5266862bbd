import type { Assertion } from '../domain/drill.ts';
import type { FileInput, ServiceInput } from './schema.ts';

type Claims = NonNullable<ServiceInput['assert']>;

const LONGEST_NAME = 80;
/** What psql prints for true. */
const TRUE = 't';
const GOOD_STATUS = 200;

/** The `assertions:` of all blocks together. */
export function joinAssertions(blocks: readonly { readonly input: FileInput }[]): readonly Assertion[] {
  return blocks.flatMap(({ input }) =>
    (input.assertions ?? []).flatMap(({ service, name, ...claims }) => toAssertions(service, claims, name)),
  );
}

/** One assertion for each of `sql`, `http` and `command`. */
export function toAssertions(service: string, claims: Claims, name?: string): readonly Assertion[] {
  const { sql, database = null, expect = TRUE, http, status = GOOD_STATUS, contains = null, command } = claims;
  const named = (what: string): string => name ?? `${service}: ${what.replaceAll(/\s+/g, ' ').trim()}`.slice(0, LONGEST_NAME);
  const assertions: Assertion[] = [];
  if (sql !== undefined) assertions.push({ kind: 'sql', name: named(sql), service, database, sql, expect });
  if (http !== undefined) assertions.push({ kind: 'http', name: named(http), service, url: http, status, contains });
  if (command !== undefined)
    assertions.push({ kind: 'command', name: named(command.slice(command[0] === 'sh' ? 2 : 0).join(' ')), service, argv: command });
  return assertions;
}
