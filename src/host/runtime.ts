import type { HostRuntime } from '../domain/host.ts';
import { openHostTree } from './open-host-tree.ts';
import { dumpPostgres } from './postgres-dump.ts';
import { profileOf, settingsPackage } from './profile-of.ts';
import { copyRawDatabase } from './raw-database.ts';
import { copySqlite } from './sqlite-copy.ts';
import { survey } from './survey.ts';
import { systemState } from './system-state.ts';
import { Systemd } from './systemd.ts';

/** This machine as a runtime. */
export function hostRuntime(systemd: Systemd = new Systemd()): HostRuntime {
  return {
    profileOf,
    settingsPackage,
    survey: (request, signal) => survey(request, systemd, signal),
    openTree: openHostTree,
    copyDatabase: copySqlite,
    copyRawDatabase,
    dumpServer: dumpPostgres,
    state: systemState,
  };
}
