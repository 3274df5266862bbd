import type { GlobalStatement } from './globals-text.ts';
import { quoteIdentifier } from '../../stream/sql-names.ts';

/**
 * SQL that sets roles which existed back to what `before` (the server's own words of then) says, as far as `applied` touched them.
 * Holds password verifiers, where `before` does. Pure.
 */
export function undoOf(
  applied: readonly GlobalStatement[],
  before: readonly GlobalStatement[],
  there: ReadonlySet<string>,
  withPasswords: boolean,
): string {
  const touched = new Set(applied.flatMap((one) => ('role' in one && there.has(one.role) ? [one.role] : [])));
  const statements: string[] = ['SET standard_conforming_strings = on'];
  for (const role of touched) {
    const name = quoteIdentifier(role);
    // What the server's words leave out is the default. No statement takes an end of validity away, only to infinity.
    const limited = applied.some((one) => one.kind === 'alter' && one.role === role && one.options.expires);
    const more = `${withPasswords ? ' PASSWORD NULL' : ''}${limited ? " VALID UNTIL 'infinity'" : ''}`;
    statements.push(`ALTER ROLE ${name} WITH CONNECTION LIMIT -1${more}`);
    statements.push(`ALTER ROLE ${name} RESET ALL`, `COMMENT ON ROLE ${name} IS NULL`);
  }
  for (const one of applied) {
    if (one.kind === 'member' && there.has(one.group) && there.has(one.member)) {
      const by = one.grantor === null || !there.has(one.grantor) ? '' : ` GRANTED BY ${quoteIdentifier(one.grantor)}`;
      statements.push(`REVOKE ${quoteIdentifier(one.group)} FROM ${quoteIdentifier(one.member)}${by} CASCADE`);
    }
    if (one.kind === 'parameter' && there.has(one.role))
      statements.push(`REVOKE ALL ON PARAMETER ${quoteIdentifier(one.parameter)} FROM ${quoteIdentifier(one.role)}`);
  }
  const revoked = applied.some(({ kind }) => kind === 'member');
  for (const one of before) {
    if (one.kind === 'member' && revoked) statements.push(one.sql);
    else if (
      (one.kind === 'alter' || one.kind === 'setting' || one.kind === 'comment' || one.kind === 'parameter') &&
      touched.has(one.role)
    ) {
      statements.push(one.sql);
    }
  }
  return statements.map((sql) => `${sql};\n`).join('');
}
