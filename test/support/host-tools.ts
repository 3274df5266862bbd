import { access, constants, readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { installPackages } from './debian-packages.ts';

/** Programs of this machine that the tests use beside the tool, and Debian's packages that hold them. */
const TOOLS: Readonly<Record<string, string>> = {
  zstd: 'zstd',
  jq: 'jq',
  setfacl: 'acl',
  setfattr: 'attr',
  setcap: 'libcap2-bin',
  'mkfs.ext4': 'e2fsprogs',
  setpriv: 'util-linux',
  perl: 'perl',
  git: 'git',
  script: 'bsdutils',
  sqlite3: 'sqlite3',
  zsh: 'zsh',
  fish: 'fish',
};
/** Debian has a server's programs in a folder of each version. */
const SERVER_TOOLS = '/usr/lib/postgresql';

/** Before any test: what is missing is installed (as root on Debian, saying so), or named. */
export async function setup(): Promise<void> {
  const missing: string[] = [];
  for (const [tool, name] of Object.entries(TOOLS)) if (!(await isOnPath(tool))) missing.push(name);
  if ((await postgresPrograms()) === null) missing.push('postgresql');
  if (missing.length > 0) await installPackages(missing);
}

/** The folder of this machine's own PostgreSQL server; null where there is none. */
export async function postgresPrograms(): Promise<string | null> {
  const versions = await readdir(SERVER_TOOLS).catch(() => []);
  for (const version of versions.toSorted((a, b) => Number(b) - Number(a))) {
    const folder = join(SERVER_TOOLS, version, 'bin');
    const found = await access(join(folder, 'initdb'), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return folder;
  }
  return null;
}

async function isOnPath(tool: string): Promise<boolean> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  for (const folder of folders) {
    const found = await access(join(folder, tool), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}
