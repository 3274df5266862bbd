import type { Finding, Uncovered } from '../domain/finding.ts';
import type { HostServerDatabase } from '../domain/host.ts';
import type { DjangoDatabases } from './django-databases.ts';
import type { DatabaseUrl } from './project-variables.ts';
import { serverOf } from './server-container.ts';

export interface FoundServers {
  readonly found: readonly HostServerDatabase[];
  readonly findings: readonly Finding[];
  readonly uncovered: readonly Uncovered[];
}

/** The server that `DATABASE_URL` names, and what is known of databases that nothing here reaches. `filesAreNamed`: under `host: databases:`. */
export function lookForServers(url: DatabaseUrl | null, django: DjangoDatabases | null, filesAreNamed: boolean): FoundServers {
  const findings: Finding[] = [];
  const uncovered: Uncovered[] = [];
  const tell = (severity: Finding['severity'], subject: string, message: string, hint: string): void => {
    findings.push({ severity, code: 'database-not-covered', subject, message, hint });
  };
  if (url?.kind === 'other')
    uncovered.push({ subject: 'DATABASE_URL', reason: `this version cannot dump ${url.scheme} databases on a host` });
  if (url?.kind === 'unclear') {
    tell(
      'error',
      'DATABASE_URL',
      'DATABASE_URL in .env is set and names no database that can be understood: if there is one, it is NOT in this snapshot',
      'write it as postgres://user:password@host:port/name, with other signs than letters and digits percent-encoded',
    );
    uncovered.push({ subject: 'DATABASE_URL', reason: 'it is not understood' });
  }
  const engine = django?.serverEngine ?? null;
  if (engine !== null && url === null) {
    tell(
      'error',
      'DATABASES',
      `Django's settings name a ${engine} database, and nothing says how to reach it: it is NOT in this snapshot`,
      'set DATABASE_URL=postgres://user:password@host/name in .env',
    );
    uncovered.push({ subject: `${engine} database of Django's settings`, reason: 'no DATABASE_URL says how to reach it' });
  }
  const unclear = [...(django?.unclear ?? []), ...(django?.conditional ?? [])];
  const isSaid = filesAreNamed || (url !== null && django?.usesUrl === false);
  if (unclear.length > 0 && !isSaid) {
    // A database that applies on a condition may be another one than the file that is found; where none is found, it is what is missing.
    const isMissing = (django?.unclear ?? []).length > 0 || django?.files.length === 0;
    tell(
      isMissing ? 'error' : 'warning',
      'DATABASES',
      `Django's settings say only to Python where ${unclear.join(', ')} lies: if it is not among the databases here, it is NOT in this snapshot`,
      'name its file under `host: databases:`, or set DATABASE_URL in .env',
    );
    uncovered.push({ subject: `${unclear.join(', ')} of Django's settings`, reason: 'its place cannot be read without running them' });
  }
  return { found: url?.kind === 'postgres' ? [serverOf(url)] : [], findings, uncovered };
}
