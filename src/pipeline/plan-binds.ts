const SYSTEM_TREES = [
  '/proc',
  '/sys',
  '/dev',
  '/run',
  '/var/run',
  '/boot',
  '/lib/modules',
  '/usr',
  '/bin',
  '/sbin',
  '/lib',
  '/lib64',
  '/var/lib/docker',
  '/var/lib/containerd',
];
const SYSTEM_FILES = [
  '/etc/localtime',
  '/etc/timezone',
  '/etc/hosts',
  '/etc/hostname',
  '/etc/resolv.conf',
  '/etc/machine-id',
  '/etc/passwd',
  '/etc/group',
];

const WHOLE_PARTS = ['/etc', '/var', '/var/lib', '/var/log', '/home', '/root', '/opt', '/srv', '/tmp'];

/** Whether something of the project may lie in what `classifyBind` gives a reason for; the root of the filesystem is bound by those who only watch. */
export function mayHoldState(hostPath: string): boolean {
  return WHOLE_PARTS.includes(hostPath);
}

/** Why a bind of this host path is not the project's own state; null where it is. */
export function classifyBind(hostPath: string): string | null {
  if (hostPath.endsWith('.sock')) return 'a socket holds no state';
  if (hostPath === '/' || WHOLE_PARTS.includes(hostPath)) return "a whole part of the host's filesystem, not the project's own";
  if (SYSTEM_FILES.includes(hostPath)) return 'a system file of the host';
  const tree = SYSTEM_TREES.find((one) => hostPath === one || hostPath.startsWith(`${one}/`));
  if (tree !== undefined) return `part of the host's ${tree}`;
  return null;
}
