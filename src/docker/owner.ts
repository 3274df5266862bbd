import { randomBytes } from 'node:crypto';
import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { ContainerJson } from './engine-api.ts';
import type { EngineClient } from './engine-client.ts';
import { OWNER } from './labels.ts';

/** Who made something in an engine, as its label tells. Enough to find out later whether that process still lives. */
export interface Owner {
  /** Unique per opened engine. */
  readonly run: string;
  readonly host: string;
  readonly machine: string | null;
  /** The kernel's boot id: the same in all containers of a host. */
  readonly boot: string | null;
  /** Namespace that `pid` counts in. */
  readonly pidNamespace: string | null;
  readonly pid: number;
  /** The process's start in clock ticks since boot: tells a reused pid. */
  readonly processStart: string | null;
  /** The container that the process runs in, with its start. */
  readonly container: string | null;
  readonly containerStart: string | null;
  readonly since: string;
  readonly version: string;
}

export async function describeSelf(own: ContainerJson | null, version: string): Promise<Owner> {
  return {
    run: randomBytes(6).toString('hex'),
    host: hostname(),
    machine: await readLine('/etc/machine-id'),
    boot: await readLine('/proc/sys/kernel/random/boot_id'),
    pidNamespace: await pidNamespace(),
    pid: process.pid,
    processStart: await processStart(process.pid),
    container: own?.Id ?? null,
    containerStart: own?.State.StartedAt ?? null,
    since: new Date().toISOString(),
    version,
  };
}

export function ownerLabel(owner: Owner): Readonly<Record<string, string>> {
  return { [OWNER]: JSON.stringify(owner) };
}

/** Null for a label that is none of ours. */
export function parseOwner(labels: Readonly<Record<string, string>> | null | undefined): Owner | null {
  try {
    const parsed = JSON.parse(labels?.[OWNER] ?? '') as Owner; // written by ownerLabel; the two fields that everything needs are checked
    return typeof parsed.run === 'string' && typeof parsed.pid === 'number' ? parsed : null;
  } catch {
    return null; // not ours, so nothing to judge
  }
}

/**
 * Whether a maker still lives. Same kernel and process namespace: its pid and start time say. Same kernel, other namespace:
 * its container says. Same machine after a reboot: dead. Anything else (another host): unknown from here.
 */
export async function judgeOwner(
  owner: Owner,
  self: Owner,
  client: EngineClient,
  signal: AbortSignal,
): Promise<'alive' | 'dead' | 'unknown'> {
  if (owner.run === self.run) return 'alive';
  if (owner.boot !== null && owner.boot === self.boot) {
    if (owner.pidNamespace !== null && owner.pidNamespace === self.pidNamespace) {
      const start = await processStart(owner.pid);
      return start !== null && start === owner.processStart ? 'alive' : 'dead';
    }
    if (owner.container === null) return 'unknown';
    const json = await client.find<ContainerJson>(
      `/containers/${owner.container}/json`,
      {},
      'looking at the container of another run',
      signal,
    );
    return json?.State.Running === true && json.State.StartedAt === owner.containerStart ? 'alive' : 'dead';
  }
  const rebooted =
    owner.machine !== null && owner.machine === self.machine && owner.boot !== null && self.boot !== null && owner.container === null;
  return rebooted && owner.host === self.host ? 'dead' : 'unknown';
}

export async function pidNamespace(): Promise<string | null> {
  try {
    return /\d+/.exec(await readlink('/proc/self/ns/pid'))?.[0] ?? null;
  } catch {
    return null; // no Linux
  }
}

/** Field 22 of `/proc/<pid>/stat`, null where there is no such process (any more). */
export async function processStart(pid: number): Promise<string | null> {
  const line = await readLine(`/proc/${pid}/stat`);
  if (line === null) return null;
  // The name in field 2 may hold anything, also spaces and parentheses.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  const isDead = fields[0] === 'Z' || fields[0] === 'X'; // killed, only its parent has not asked yet
  return isDead ? null : (fields[19] ?? null);
}

async function readLine(file: string): Promise<string | null> {
  try {
    return (await readFile(file, 'utf8')).trim() || null;
  } catch {
    return null; // no Linux, or the process is gone
  }
}
