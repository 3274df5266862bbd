import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { McadsError } from '../errors.ts';
import { withRealPaths } from './named-paths.ts';
import { runProgram } from './run-program.ts';

/** Where administrators put units; those of packages belong to no application. */
const UNIT_FOLDERS = ['/etc/systemd/system', '/usr/local/lib/systemd/system', '/run/systemd/system'];

/** A unit as systemd sees it, or as its file says where no systemd answers. */
export interface SystemdUnit {
  readonly name: string;
  readonly file: string | null;
  /** `enabled`, `disabled`, …; null where systemd does not answer. */
  readonly enabled: string | null;
  /** `active`, `inactive`, `failed`, `activating`, …; null likewise. */
  readonly active: string | null;
  readonly subState: string | null;
  /** Times that systemd started it again by itself. */
  readonly restarts: number;
  /** It does one thing and is over: of type oneshot, and the last time came to a good end. */
  readonly isDone: boolean;
  readonly triggeredBy: readonly string[];
  readonly after: readonly string[];
}

const PROPERTIES = 'Id LoadState ActiveState SubState UnitFileState FragmentPath TriggeredBy After NRestarts Type Result'.split(' ');
const STOP_TIMEOUT_MS = 200_000; // systemd itself kills after 90 s unless a unit says otherwise

/** systemd by its own program. */
export class Systemd {
  readonly #folders: readonly string[];

  constructor(folders: readonly string[] = UNIT_FOLDERS) {
    this.#folders = folders;
  }

  /** It runs this machine, whether or not it answers. */
  get isBooted(): boolean {
    return existsSync('/run/systemd/system');
  }

  /** Units of these names that exist, in the order given; a template's are its instances. */
  async find(names: readonly string[], signal: AbortSignal): Promise<readonly SystemdUnit[]> {
    const full = await this.#withInstances(names.map(unitName), signal);
    if (full.length === 0) return [];
    const shown = await runProgram('systemctl', ['show', `--property=${PROPERTIES.join(',')}`, '--', ...full], {}, signal);
    if (shown !== null && shown.code === 0) return parseShow(shown.stdout).filter((unit) => unit !== null);
    const found: SystemdUnit[] = [];
    for (const name of full) {
      const file = await this.#fileOf(name);
      if (file !== null)
        found.push({ name, file, enabled: null, active: null, subState: null, restarts: 0, isDone: false, triggeredBy: [], after: [] });
    }
    return found;
  }

  /** Names of the administrator's units whose files name this path. */
  async naming(path: string): Promise<readonly string[]> {
    const names = new Set<string>();
    for (const folder of this.#folders) {
      for (const name of (await readdir(folder).catch(() => [])).filter((one) => one.endsWith('.service'))) {
        if (mentions(await withRealPaths(await readFile(join(folder, name), 'utf8').catch(() => '')), path)) names.add(name);
      }
    }
    return [...names].toSorted();
  }

  async stop(name: string, signal: AbortSignal): Promise<void> {
    await this.#act('stop', name, signal);
  }

  async start(name: string, signal: AbortSignal): Promise<void> {
    await this.#act('start', name, signal);
  }

  /** Asked about a template itself, `systemctl show` fails and says nothing of the others either. */
  async #withInstances(names: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
    const templates = names.filter(isTemplate);
    if (templates.length === 0) return names;
    const patterns = templates.map((name) => name.replace('@.', '@*.'));
    const options = ['--all', '--plain', '--no-legend', '--full', '--no-pager'];
    const listed = await runProgram('systemctl', ['list-units', ...options, '--', ...patterns], {}, signal);
    const loaded = listed?.code === 0 ? listed.stdout.split(/\s+/) : [];
    const known = [...loaded, ...(await this.#wanted())].filter((name) => name.includes('@') && !isTemplate(name));
    const instances = (template: string): readonly string[] => known.filter((name) => name.replace(/@.*(?=\.\w+$)/s, '@') === template);
    return [...new Set(names.flatMap((name) => (isTemplate(name) ? instances(name) : [name])))];
  }

  /** What is enabled: links in folders like `multi-user.target.wants`. */
  async #wanted(): Promise<readonly string[]> {
    const found: string[] = [];
    for (const folder of this.#folders) {
      for (const name of (await readdir(folder).catch(() => [])).filter((one) => /\.(?:wants|requires)$/.test(one)))
        found.push(...(await readdir(join(folder, name)).catch(() => [])));
    }
    return found.toSorted();
  }

  async #act(verb: 'stop' | 'start', name: string, signal: AbortSignal): Promise<void> {
    const result = await runProgram('systemctl', [verb, '--', name], { timeoutMs: STOP_TIMEOUT_MS }, signal);
    if (result?.code === 0) return;
    const words =
      result === null ? 'systemctl is not installed' : result.code === null ? 'systemctl did not come to an end' : result.stderr.trim();
    throw new McadsError('engine-failed', `${name} cannot be ${verb === 'stop' ? 'stopped' : 'started'}: ${words}`, {
      hint: `see \`systemctl status ${name}\` and \`journalctl -u ${name}\``,
    });
  }

  async #fileOf(name: string): Promise<string | null> {
    for (const folder of [...this.#folders, '/usr/lib/systemd/system', '/lib/systemd/system']) {
      for (const file of [name, name.replace(/@.*(?=\.\w+$)/s, '@')]) {
        const path = join(folder, file);
        const isThere = await readFile(path).then(
          () => true,
          () => false,
        );
        if (isThere) return path;
      }
    }
    return null;
  }
}

export function unitName(name: string): string {
  return /\.(?:service|socket|timer|path|target|mount)$/.test(name) ? name : `${name}.service`;
}

function isTemplate(name: string): boolean {
  return /@\.\w+$/.test(name);
}

/** True where the text names the path or something below it. */
export function mentions(text: string, path: string): boolean {
  for (let at = text.indexOf(path); at >= 0; at = text.indexOf(path, at + 1)) {
    const [before = '', after = ''] = [text[at - 1], text[at + path.length]];
    if (!/[\w.@/-]/.test(before) && !/[\w.@-]/.test(after)) return true;
  }
  return false;
}

/** Null for a unit that is not there. */
export function parseShow(text: string): readonly (SystemdUnit | null)[] {
  return text
    .split(/\n\n+/)
    .filter((block) => block.trim() !== '')
    .map((block) => {
      const values = new Map(block.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
      const word = (key: string): string | null => values.get(key) || null;
      const words = (key: string): readonly string[] => (values.get(key) ?? '').split(' ').filter((one) => one !== '');
      const name = word('Id');
      if (name === null || word('LoadState') === 'not-found' || (word('LoadState') === null && word('FragmentPath') === null)) return null;
      return {
        name,
        file: word('FragmentPath'),
        enabled: word('UnitFileState'),
        active: word('ActiveState'),
        subState: word('SubState'),
        restarts: Number(values.get('NRestarts') ?? 0),
        isDone: word('Type') === 'oneshot' && word('ActiveState') === 'inactive' && word('Result') === 'success',
        triggeredBy: words('TriggeredBy'),
        after: words('After'),
      };
    });
}
