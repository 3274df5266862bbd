import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ComponentId } from '../domain/component.ts';
import type { HostUnit } from '../domain/host.ts';
import { withRealPaths } from './named-paths.ts';
import { mentions, type Systemd, type SystemdUnit, unitName } from './systemd.ts';

/** Always looked for: the names of the MCADS installation. */
const USUAL_UNITS = ['mcads', 'nginx'];
const NGINX_FOLDERS = ['/etc/nginx', '/etc/nginx/conf.d', '/etc/nginx/sites-enabled'];

export interface UnitSearch {
  readonly directory: string;
  /** From the settings; with any, the usual names are not looked for. */
  readonly named: readonly string[];
  /** Names that the application may have given its unit. */
  readonly names: readonly string[];
  readonly places: readonly { readonly id: ComponentId; readonly path: string }[];
}

/** Units that have to do with the application, and which of its components their files name. This tool's own are left out. */
export async function findUnits(systemd: Systemd, search: UnitSearch, signal: AbortSignal): Promise<readonly HostUnit[]> {
  const wanted = search.named.length > 0 ? search.named : [...USUAL_UNITS, ...search.names];
  const naming = await systemd.naming(search.directory);
  const own = await ownUnits();
  const found: HostUnit[] = [];
  for (const unit of await systemd.find([...new Set([...wanted.map(unitName), ...naming])], signal)) {
    if (own.includes(unit.name)) continue;
    const text = `${await unitText(unit)}\n${basename(unit.name, '.service') === 'nginx' ? await nginxText() : ''}`;
    if (/\bmcads-orchestrate\b/.test(text)) continue; // a timer's backup must not stop itself
    const { name, file, enabled, active, triggeredBy, after } = unit;
    found.push({ name, file, enabled, active, triggeredBy, after, uses: usesOf(await withRealPaths(text), search) });
  }
  return found;
}

/** A unit that names the directory or something above a component uses that; one that names a file in it likewise. */
function usesOf(text: string, { directory, places }: UnitSearch): readonly ComponentId[] {
  const all = mentionsExactly(text, directory);
  return places.filter(({ path }) => all || mentions(text, path)).map(({ id }) => id);
}

/** The path itself, not one below it. */
function mentionsExactly(text: string, path: string): boolean {
  const escaped = path.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`(?<![\\w.@/-])${escaped}/?(?=["'\\s;]|$)`).test(text);
}

async function unitText({ file }: Pick<SystemdUnit, 'file'>): Promise<string> {
  if (file === null) return '';
  const texts = [await readFile(file, 'utf8').catch(() => '')];
  for (const name of await readdir(`${file}.d`).catch(() => []))
    texts.push(await readFile(join(`${file}.d`, name), 'utf8').catch(() => ''));
  return texts.join('\n');
}

async function nginxText(): Promise<string> {
  const texts: string[] = [];
  for (const folder of NGINX_FOLDERS) {
    for (const name of await readdir(folder).catch(() => [])) texts.push(await readFile(join(folder, name), 'utf8').catch(() => ''));
  }
  return texts.join('\n');
}

/** Units that this very process runs in. */
async function ownUnits(): Promise<readonly string[]> {
  const text = await readFile('/proc/self/cgroup', 'utf8').catch(() => '');
  return text.split(/[/\n]/).filter((part) => part.endsWith('.service'));
}
