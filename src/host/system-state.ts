import { readFile, statfs } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { arch, cpus, freemem, hostname, release, totalmem } from 'node:os';
import { join } from 'node:path';
import type { JsonObject, JsonValue } from '../domain/byte-stream.ts';
import type { HostApplication } from '../domain/host.ts';
import { runProgram } from './run-program.ts';

const PATIENCE_MS = 20_000;
/** As `pip freeze` says it, also without pip. */
const PYTHON_PACKAGES = `import importlib.metadata as m
print("\\n".join(sorted({f'{d.metadata["Name"]}=={d.version}' for d in m.distributions()})))`;

/** What a restore on another machine has to know: system, versions, space, packages, units with their files. */
export async function systemState(application: HostApplication, signal: AbortSignal): Promise<JsonObject> {
  const { directory, units, trees, profile, settingsPackage } = application;
  const python = pythonOf(application);
  const [osRelease, pythonVersion, pythonPackages, systemPackages] = await Promise.all([
    readOsRelease(),
    words(python, ['--version'], signal),
    lines(python, ['-c', PYTHON_PACKAGES], signal),
    installedPackages(signal),
  ]);
  return {
    kind: 'host',
    profile,
    directory,
    settingsPackage,
    system: { ...osRelease, kernel: release(), architecture: arch(), hostName: hostname() },
    python: { program: python, version: pythonVersion, packages: pythonPackages },
    node: process.versions.node,
    processors: cpus().length,
    memory: { totalBytes: totalmem(), freeBytes: freemem() },
    disks: await disks([directory, ...trees.map(({ path }) => path)]),
    packages: systemPackages,
    units: await Promise.all(
      units.map(async ({ name, file, enabled, active, uses }): Promise<JsonObject> => ({
        name,
        file,
        enabled,
        active,
        uses: [...uses],
        text: file === null ? null : await readFile(file, 'utf8').catch(() => null),
      })),
    ),
  };
}

/** The application's own, else the system's. */
function pythonOf({ directory }: HostApplication): string {
  const own = ['venv', '.venv', 'env', '../venv']
    .map((folder) => join(directory, folder, 'bin', 'python'))
    .find((path) => existsSync(path));
  return own ?? 'python3';
}

async function readOsRelease(): Promise<JsonObject> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const value = (key: string): string | null => new RegExp(`^${key}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1] ?? null;
  return { name: value('PRETTY_NAME') ?? process.platform, id: value('ID'), version: value('VERSION_ID') };
}

async function disks(paths: readonly string[]): Promise<readonly JsonObject[]> {
  const seen = new Set<string>();
  const found: JsonObject[] = [];
  for (const path of paths) {
    const info = await statfs(path).catch(() => null);
    if (info === null) continue;
    const key = `${info.type} ${info.blocks} ${info.files}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const total = info.blocks * info.bsize;
    found.push({ path, totalBytes: total, usedBytes: total - info.bfree * info.bsize, freeBytes: info.bavail * info.bsize });
  }
  return found;
}

async function installedPackages(signal: AbortSignal): Promise<JsonValue> {
  const debian = await lines('dpkg-query', ['--show', '--showformat=${Package}=${Version}\\n'], signal);
  return debian ?? (await lines('rpm', ['-qa'], signal)) ?? (await lines('apk', ['list', '--installed'], signal));
}

async function words(program: string, args: readonly string[], signal: AbortSignal): Promise<string | null> {
  const result = await runProgram(program, args, { timeoutMs: PATIENCE_MS }, signal);
  return result?.code === 0 ? (result.stdout || result.stderr).trim() : null;
}

async function lines(program: string, args: readonly string[], signal: AbortSignal): Promise<readonly string[] | null> {
  const said = await words(program, args, signal);
  return said === null
    ? null
    : said
        .split('\n')
        .filter((line) => line !== '')
        .toSorted();
}
