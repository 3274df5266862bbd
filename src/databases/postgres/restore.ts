import type { DatabaseRestorer } from '../../domain/database-ports.ts';
import { ask } from './ask.ts';
import { buildDatabase } from './restore-build.ts';
import { checkRestore } from './restore-check.ts';
import { checkCold } from './restore-cold.ts';
import { applyGlobals, dropRoles, missingRoles, runGlobals } from './restore-globals.ts';
import { restoreNames } from './restore-names.ts';
import { waitReady } from './restore-ready.ts';
import { dropDatabases, presentDatabases, revertDatabases, swapDatabases } from './restore-swap.ts';

/** Brings PostgreSQL databases back: built under another name, proven, then renamed. */
export const postgresRestorer: DatabaseRestorer = {
  names: restoreNames,
  waitReady,
  checkCold,
  check: checkRestore,
  missingRoles,
  applyGlobals,
  runGlobals,
  dropRoles,
  build: buildDatabase,
  swap: swapDatabases,
  present: presentDatabases,
  revert: revertDatabases,
  drop: dropDatabases,
  ask,
};
