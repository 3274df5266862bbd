import type { JsonObject } from '../domain/byte-stream.ts';
import type { CopyOptions } from '../domain/drill-ports.ts';
import { count, flag, list, record, text, texts } from './json-values.ts';

/** What a container has anyway, or what reaches no further than itself. */
const HARMLESS_CAPABILITIES: ReadonlySet<string> = new Set(
  'CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP IPC_LOCK SYS_NICE'.split(
    ' ',
  ),
);
const KEPT = ['CapDrop', 'GroupAdd', 'Init', 'ShmSize', 'Tmpfs', 'Ulimits', 'Sysctls'];
const PROCESSES = 4096;

/** The host part of a copied container: what it needs to run as it did, minus everything that leads out of it. `changes` gets what was dropped. */
export function hardenedHost(
  host: JsonObject,
  service: string,
  { memoryBytes }: Pick<CopyOptions, 'memoryBytes'>,
  changes: string[],
  needsWritableRoot: boolean,
): JsonObject {
  const drop = (what: string): number => changes.push(`${what} of ${service} is dropped`);
  if (flag(host['Privileged'])) drop('privileged mode');
  for (const device of list(host['Devices'])) drop(`device ${text(record(device)['PathOnHost'])}`);
  if (list(host['DeviceRequests']).length > 0) drop('the request for devices such as GPUs');
  for (const [key, what] of [
    ['PidMode', 'process namespace'],
    ['IpcMode', 'IPC namespace'],
    ['UTSMode', 'host name namespace'],
    ['UsernsMode', 'user namespace'],
  ] as const)
    if (/^(?:host|container:)/.test(text(host[key]))) drop(`the ${what} (${text(host[key])})`);
  const runtime = text(host['Runtime']);
  if (!['', 'runc', 'crun'].includes(runtime)) drop(`the runtime ${runtime}`);
  const isHarmless = (name: string): boolean => HARMLESS_CAPABILITIES.has(name.replace(/^CAP_/, '').toUpperCase());
  const capabilities = texts(host['CapAdd']);
  for (const name of capabilities) if (!isHarmless(name)) drop(`capability ${name}`);
  const security = texts(host['SecurityOpt']);
  for (const option of security) if (!option.startsWith('no-new-privileges')) drop(`security option ${option.split('=', 1)[0] ?? ''}`);
  const hosts = texts(host['ExtraHosts']);
  for (const one of hosts) if (one.endsWith(':host-gateway')) drop(`the host entry ${one}`);
  if (text(record(host['RestartPolicy'])['Name']).replace('no', '') !== '')
    drop(`restart policy ${text(record(host['RestartPolicy'])['Name'])}`);
  const readOnly = flag(host['ReadonlyRootfs']);
  if (readOnly && needsWritableRoot) changes.push(`the root of ${service} can be written, so that its files could be put there`);
  const recorded = count(host['Memory']);
  return {
    ...Object.fromEntries(KEPT.flatMap((key) => (host[key] === undefined || host[key] === null ? [] : [[key, host[key]]]))),
    CapAdd: capabilities.filter(isHarmless),
    SecurityOpt: security.filter((option) => option.startsWith('no-new-privileges')),
    ExtraHosts: hosts.filter((one) => !one.endsWith(':host-gateway')),
    ReadonlyRootfs: readOnly && !needsWritableRoot,
    Privileged: false,
    RestartPolicy: { Name: 'no' },
    Memory: recorded > 0 ? Math.min(recorded, memoryBytes) : memoryBytes,
    PidsLimit: PROCESSES,
    // The live project comes first when there is not enough for both.
    CpuShares: 512,
    OomScoreAdj: 500,
    LogConfig: { Type: 'json-file', Config: { 'max-size': '10m' } },
  };
}
