import type { DatabaseAdapter } from '../domain/database-ports.ts';
import { checkDump } from './postgres/check.ts';
import { coldState } from './postgres/cold-state.ts';
import { clusterDirectory, detectPostgres } from './postgres/detect.ts';
import { dumpDatabase } from './postgres/dump.ts';
import { dumpGlobals } from './postgres/globals.ts';
import { listDatabases } from './postgres/list.ts';
import { POSTGRES_DEFAULTS, type PostgresOptions } from './postgres/options.ts';
import { ACCESS, DATABASE_PROPERTIES, OBJECTS } from './postgres/queries.ts';
import { postgresRestorer } from './postgres/restore.ts';

/**
 * PostgreSQL through the client tools of the service's own image, run by exec in its own container: versions always match,
 * no port is needed, and the socket usually asks for no password.
 */
export function createPostgresAdapter(options: Partial<PostgresOptions> = {}): DatabaseAdapter {
  const settings: PostgresOptions = { ...POSTGRES_DEFAULTS, ...options };
  return {
    engine: 'postgres',
    detect: detectPostgres,
    dataDirectory: clusterDirectory,
    list: listDatabases,
    dump: async (target, database, io) => dumpDatabase(target, database, io, settings),
    snapshotQueries: { objects: OBJECTS, access: ACCESS, properties: DATABASE_PROPERTIES },
    globals: dumpGlobals,
    check: checkDump,
    coldState,
    restorer: postgresRestorer,
  };
}
