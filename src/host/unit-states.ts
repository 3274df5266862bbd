import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { UnitState } from '../domain/status.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 5000;

/** These units as systemd knows them; those that it does not know are left out. Empty where systemd does not answer. */
export async function unitStates(names: readonly string[], signal: AbortSignal): Promise<readonly UnitState[]> {
  if (names.length === 0) return [];
  const properties = '--property=Id,LoadState,ActiveState,UnitFileState,Type';
  try {
    const { stdout } = await run('systemctl', ['show', properties, '--', ...names], { signal, timeout: TIMEOUT_MS });
    return parseUnits(stdout);
  } catch {
    signal.throwIfAborted();
    return []; // no systemd here, or not the one that runs this machine
  }
}

/** `systemctl show`: one block of `Key=value` lines a unit, a blank line between. */
export function parseUnits(text: string): readonly UnitState[] {
  return text
    .split('\n\n')
    .map(
      (block) =>
        Object.fromEntries(block.split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2))) as Record<string, string | undefined>,
    )
    .filter((unit) => unit['LoadState'] === 'loaded')
    .map((unit) => ({
      name: unit['Id'] ?? '',
      active: unit['ActiveState'] ?? 'unknown',
      enabled: unit['UnitFileState'] || 'static',
      ...(unit['Type'] === 'oneshot' ? { runsOnce: true } : {}),
    }));
}
