import { access, chmod, copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder, cachePath, say, withCacheLock } from './cache.ts';
import { commandWorks, runCommand } from './run-command.ts';

/** Where Debian's packages come from on this machine, as its own apt says; throws where apt has no Debian source. */
export async function debianMirror(): Promise<string> {
  const { stdout } = await runCommand('apt-get', ['--print-uris', 'update']);
  const release = /^VERSION_CODENAME=(.*)$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1] ?? 'stable';
  for (const line of stdout.split('\n')) {
    const found = /^'(.*)\/dists\/([^/']+)\/InRelease'/.exec(line);
    if (found?.[1] !== undefined && found[2] === release) return found[1];
  }
  throw new Error(`apt knows no source for ${release}: the tests need Debian's packages, see the sources below /etc/apt`);
}

/** Installs packages into the machine itself. Only as root on Debian, and never without saying so. */
export async function installPackages(packages: readonly string[]): Promise<void> {
  const names = packages.join(', ');
  if (process.getuid?.() !== 0) throw new Error(`${names} must be installed first (the tests do it themselves only as root on Debian)`);
  await readPackageLists();
  say(`installing ${names} with apt-get`);
  await runCommand('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], {
    env: { DEBIAN_FRONTEND: 'noninteractive' },
  });
}

/** Whether this machine's Debian release has the package. */
export async function debianHas(name: string): Promise<boolean> {
  await readPackageLists();
  return commandWorks('apt-cache', ['show', '--quiet=2', name]);
}

let packageListsRead: Promise<unknown> | undefined;

/** A fresh machine often has no package lists, or those of a year ago whose packages are gone. */
async function readPackageLists(): Promise<void> {
  packageListsRead ??= runCommand('apt-get', ['update', '-qq']);
  await packageListsRead;
}

/**
 * The folder that `packages` of a Debian release are unpacked into, without their dependencies.
 * The machine's own apt sources and package database stay as they are.
 */
export async function unpackPackages(suite: string, packages: readonly string[], name = packages.join('-')): Promise<string> {
  const target = join(cacheFolder, 'packages', `${suite}-${name}`);
  return withCacheLock('packages', async () => {
    if (await exists(target)) return target;
    say(`fetching ${packages.join(', ')} of Debian ${suite}`);
    const apt = await privateApt(suite);
    const downloads = await cachePath('downloads', `${suite}-${process.pid}`);
    const staging = await cachePath('packages', `incoming-${process.pid}`);
    await runCommand('apt-get', [...apt, '-qq', 'download', ...packages], { cwd: downloads });
    for (const name of await readdir(downloads)) await runCommand('dpkg', ['-x', join(downloads, name), staging]);
    await rm(downloads, { recursive: true });
    await rename(staging, target);
    return target;
  });
}

/** Options that turn `apt-get` to the given release and to folders of its own. */
async function privateApt(suite: string): Promise<readonly string[]> {
  const folder = await cachePath('apt', suite);
  await mkdir(join(folder, 'lists', 'partial'), { recursive: true });
  await mkdir(join(folder, 'archives', 'partial'), { recursive: true });
  await writeFile(join(folder, 'status'), '');
  await writeFile(join(folder, 'sources.list'), `deb ${await debianMirror()} ${suite} main\n`);
  const settings = {
    'Dir::Etc::sourcelist': join(folder, 'sources.list'),
    'Dir::Etc::sourceparts': '-',
    'Dir::Etc::preferences': '-',
    'Dir::Etc::preferencesparts': '-',
    'Dir::State': folder,
    'Dir::State::status': join(folder, 'status'),
    'Dir::Cache': folder,
    'APT::Sandbox::User': '',
    'Acquire::Languages': 'none',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  await runCommand('apt-get', [...options, '-qq', 'update']);
  return options;
}

/**
 * The environment in which `docker compose` (version 2) works: empty where it works already, else a DOCKER_CONFIG
 * whose plugins come from Debian 13.
 */
export async function ensureComposePlugin(): Promise<Readonly<Record<string, string>>> {
  if (process.env['DOCKER_CONFIG'] === undefined && (await commandWorks('docker', ['compose', 'version']))) return {};
  const config = join(cacheFolder, 'docker-config');
  const plugins = join(config, 'cli-plugins');
  const env = { DOCKER_CONFIG: config };
  if (await commandWorks('docker', ['compose', 'version'], { env })) return env;
  const unpacked = await unpackPackages('trixie', ['docker-compose', 'docker-buildx']);
  await mkdir(plugins, { recursive: true });
  for (const name of ['docker-compose', 'docker-buildx']) {
    // Renamed into place: another run may be executing the old file.
    const incoming = join(plugins, `.${name}-${process.pid}`);
    await copyFile(join(unpacked, 'usr/libexec/docker/cli-plugins', name), incoming);
    await chmod(incoming, 0o755);
    await rename(incoming, join(plugins, name));
  }
  await runCommand('docker', ['compose', 'version'], { env });
  return env;
}

/** What Compose version 1 of Debian 12 needs that no other package of the tests brings: nothing is installed into the machine. */
const COMPOSE_V1 =
  `docker-compose python3-attr python3-certifi python3-chardet python3-charset-normalizer python3-distro python3-docker python3-dockerpty
  python3-docopt python3-dotenv python3-idna python3-jsonschema python3-pkg-resources python3-pyrsistent python3-requests python3-six python3-texttable
  python3-urllib3 python3-websocket python3-yaml`.split(/\s+/);

/** `docker-compose` 1.29, the last of version 1. */
export async function ensureComposeV1(): Promise<{ readonly program: string; readonly env: Readonly<Record<string, string>> }> {
  const unpacked = await unpackPackages('bookworm', COMPOSE_V1, 'compose-v1');
  return { program: join(unpacked, 'usr/bin/docker-compose'), env: { PYTHONPATH: join(unpacked, 'usr/lib/python3/dist-packages') } };
}

/** The path of a restic 0.17 or newer, the peer that the benchmarks measure against. */
export async function ensureRestic(): Promise<string> {
  const installed = await runCommand('restic', ['version'], { accept: 'any' }).catch(() => undefined);
  const version = /^restic 0\.(\d+)/.exec(installed?.stdout ?? '')?.[1];
  if (version !== undefined && Number(version) >= 17) return 'restic';
  return join(await unpackPackages('trixie', ['restic']), 'usr/bin/restic');
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
