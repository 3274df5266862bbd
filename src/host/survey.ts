import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { componentId, type ComponentId } from '../domain/component.ts';
import type { Finding, Uncovered } from '../domain/finding.ts';
import {
  DJANGO_PARTS,
  RAW_DATABASE_SUFFIX,
  type DjangoPart,
  type HostApplication,
  type HostDatabaseFile,
  type HostProfile,
  type HostTree,
  type SurveyRequest,
} from '../domain/host.ts';
import { escapeGlob, excludeMatcher } from '../stream/exclude-globs.ts';
import { isStagingName, STAGING_PREFIX } from '../stream/restore-commands.ts';
import { composeBinds } from './compose-binds.ts';
import { configFiles } from './config-files.ts';
import { readDjangoSettings, type DjangoSettings } from './django-settings.ts';
import { EXCLUDED_NAMES, excludedGlobs, ownLogs, reasonFor } from './default-excludes.ts';
import { findUnits } from './find-units.ts';
import { folderAt } from './folder-at.ts';
import { FolderSizes } from './folder-sizes.ts';
import { configLinkFinding, linksOutside } from './links-outside.ts';
import { listFiles } from './list-files.ts';
import { parseDatabaseUrl, projectVariables, type DatabaseUrl } from './project-variables.ts';
import { lookForServers } from './look-for-servers.ts';
import { assertIdsDiffer } from './component-ids.ts';
import { isRepository } from './other-repository.ts';
import { isSqliteFile, mayBeSqlite, SQLITE_COMPANIONS } from './sqlite-files.ts';
import { PROJECT_MARKS } from './profile-of.ts';
import type { Systemd } from './systemd.ts';
import { tellUnclear } from './unclear-settings.ts';

/** More than this are data, not databases. */
const MOST_DATABASES = 64;

/**
 * Looks at an application directory: its databases, trees, configuration and units, what of a profile is missing and what is left out.
 * Null where it is no application.
 */
export async function survey(request: SurveyRequest, systemd: Systemd, signal: AbortSignal): Promise<HostApplication | null> {
  const directory = await realpath(request.directory).catch(() => null);
  if (directory === null) return null;
  const names = await readdir(directory).catch(() => []);
  const lookup = await projectVariables(directory);
  const django = await readDjangoSettings(directory, lookup);
  const url = parseDatabaseUrl(lookup('DATABASE_URL') ?? '');
  const profile = request.settings.profile ?? (django === null ? 'generic' : 'django');
  const run = new Survey(request, directory, profile, django, url, signal);
  await run.look();
  const marked = names.some((name) => PROJECT_MARKS.includes(name)) || request.model !== null || hasSettings(request);
  if (!(marked || run.hasDatabases || (request.anyDirectory && run.files > 0))) return null;
  if (run.files === 0 && !run.hasDatabases) return null;
  return run.application(systemd);
}

function hasSettings({ settings }: SurveyRequest): boolean {
  return settings.profile !== null || settings.databases.length > 0 || Object.keys(settings.components).length > 0;
}

class Survey {
  files = 0;
  readonly #request: SurveyRequest;
  readonly #directory: string;
  readonly #profile: HostProfile;
  readonly #django: DjangoSettings | null;
  readonly #url: DatabaseUrl | null;
  readonly #findings: Finding[] = [];
  readonly #uncovered: Uncovered[] = [];
  readonly #databases = new Map<string, HostDatabaseFile>();
  readonly #sizes = new FolderSizes();
  readonly #left = new Map<string, string[]>();
  readonly #environments: string[] = [];
  /** Repositories of this tool, other than the one that is written to. Absolute. */
  readonly #repositories: string[] = [];
  /** Symlinks in what is captured. Absolute. */
  readonly #links: string[] = [];
  /** Places of parts that the settings leave out, relative. */
  readonly #leftOutParts: string[] = [];
  readonly #signal: AbortSignal;

  constructor(
    request: SurveyRequest,
    directory: string,
    profile: HostProfile,
    django: DjangoSettings | null,
    url: DatabaseUrl | null,
    signal: AbortSignal,
  ) {
    this.#request = request;
    this.#directory = directory;
    this.#profile = profile;
    this.#django = django;
    this.#url = url;
    this.#signal = signal;
  }

  get hasDatabases(): boolean {
    return this.#databases.size > 0;
  }

  /** One walk over everything that may be captured. */
  async look(): Promise<void> {
    const never = this.#neverWithin();
    const isExcluded = excludeMatcher([...this.#request.exclude, ...this.#request.settings.exclude]);
    await this.#leaveOutParts();
    const candidates: string[] = [];
    let unlisted = 0;
    const known = [...this.#namedDatabases()];
    for await (const { path, kind, bytes } of listFiles(this.#directory, { names: EXCLUDED_NAMES, paths: never }, this.#signal)) {
      if (kind === 'pruned') {
        const reason = reasonFor(basename(path));
        if (!never.includes(path)) this.#leave(reason, path);
        continue;
      }
      if (kind === 'folder' && path.endsWith(RAW_DATABASE_SUFFIX))
        this.#uncovered.push({ subject: path, reason: 'a damaged database as a restore put it here: look at it, then remove it' });
      if (kind === 'socket') this.#leave('sockets hold no data: who listens on one makes it anew', path);
      if (kind === 'folder' || kind === 'socket' || isOurs(path)) continue;
      if (kind === 'link') {
        if (!this.#inLeftOutPart(path) && !isExcluded(Buffer.from(path).toString('latin1'))) this.#links.push(join(this.#directory, path));
        continue;
      }
      if (basename(path) === 'pyvenv.cfg') this.#environments.push(path.slice(0, -'pyvenv.cfg'.length).replace(/\/$/, ''));
      await this.#noteRepository(join(this.#directory, path));
      this.files += 1;
      this.#sizes.add(path, bytes);
      if (!mayBeSqlite(path, bytes) || this.#inLeftOutPart(path) || isExcluded(Buffer.from(path).toString('latin1'))) continue;
      if (await isSqliteFile(join(this.#directory, path))) {
        if (candidates.length < MOST_DATABASES) candidates.push(path);
        else unlisted += 1;
      }
    }
    for (const { path, because } of known) await this.#addDatabase(path, because);
    for (const path of candidates) if (!this.#inEnvironment(path)) await this.#addDatabase(join(this.#directory, path), 'detected');
    if (unlisted > 0) {
      this.#findings.push({
        severity: 'warning',
        code: 'many-databases',
        subject: this.#directory,
        message: `${unlisted} more SQLite files are captured as plain files: ${MOST_DATABASES} are copied as databases`,
        hint: 'name the ones that are written under `host: databases:`',
      });
    }
  }

  async application(systemd: Systemd): Promise<HostApplication> {
    const configured = await configFiles(this.#directory, this.#profile);
    const named = await this.#named();
    const trees = [...(await this.#trees(configured)), ...named].map((tree) => ({
      ...tree,
      exclude: [...tree.exclude, ...nestedIn(tree, named)],
    }));
    const databases = [...this.#databases.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const units = await findUnits(
      systemd,
      {
        directory: this.#directory,
        named: this.#request.settings.services,
        names: [this.#request.projectName, this.#django?.settingsPackage ?? null].filter((name) => name !== null),
        places: [...trees, ...databases],
      },
      this.#signal,
    );
    const unitFiles = units.flatMap(({ file, uses }) => (file !== null && uses.length > 0 ? [file] : []));
    this.#tellLeftOut();
    await this.#tellLinks(
      [...trees, ...databases].map(({ path }) => path),
      configured,
    );
    assertIdsDiffer([...trees, ...databases], this.#request.settings.components);
    const servers = lookForServers(this.#url, this.#django?.databases ?? null, this.#request.settings.databases.length > 0);
    return {
      profile: this.#profile,
      directory: this.#directory,
      settingsPackage: this.#django?.settingsPackage ?? null,
      trees,
      databases,
      servers: servers.found,
      configFiles: [...new Set([...configured, ...unitFiles])].toSorted(),
      units,
      findings: [...this.#findings, ...tellUnclear(this.#django, trees, this.#request.settings.paths), ...servers.findings],
      uncovered: [...this.#uncovered, ...servers.uncovered],
    };
  }

  async #trees(configured: readonly string[]): Promise<readonly HostTree[]> {
    const parts = this.#profile === 'django' ? await this.#parts() : [];
    const binds = this.#profile === 'generic' ? await this.#binds() : [];
    const trees = [...parts, ...binds];
    const root = this.#profile === 'django' ? 'app_code' : 'app';
    const captured = trees.filter(({ path }) => this.#isInside(path)).map(({ path }) => this.#relative(path));
    const inside = [
      ...captured,
      ...this.#leftOutParts.filter((part) => !captured.some((one) => part === one || part.startsWith(`${one}/`))),
    ];
    const exclude = [...inside, ...configured.filter((path) => this.#isInside(path)).map((path) => this.#relative(path))];
    const bytes = this.#bytesOf('') - inside.reduce((sum, path) => sum + this.#bytesOf(path), 0);
    const rest = await this.#tree(componentId('files', root), this.#directory, 'detected', exclude.map(escapeGlob));
    return [...trees, { ...rest, bytes: Math.max(0, bytes - this.#databaseBytes(this.#directory, inside)) }];
  }

  /** The parts that the layout knows by name: where the settings say, where Django's settings say, in their usual place. */
  async #parts(): Promise<readonly HostTree[]> {
    const trees: HostTree[] = [];
    const missing: string[] = [];
    for (const part of DJANGO_PARTS) {
      const set = this.#request.settings.paths[part];
      if (set === false) continue;
      const wanted = set ?? this.#settingOf(part) ?? join(this.#directory, part);
      const path = await folderAt(wanted);
      if (path === null) {
        if (set !== undefined) this.#tellMissing('warning', `${part} is set to ${wanted}, which is no directory`);
        else missing.push(part);
        continue;
      }
      if (path === this.#directory || trees.some((tree) => tree.path === path)) continue;
      trees.push(await this.#tree(componentId('files', part), path, set === undefined ? 'detected' : 'configuration', []));
    }
    if (missing.length > 0) this.#tellMissing('info', `not there: ${missing.join(', ')}`);
    this.#tellElsewhere(trees);
    const leftOut = this.#leftOutParts.map((part) => ({ path: join(this.#directory, part) }));
    return trees.map((tree) => ({ ...tree, exclude: [...tree.exclude, ...nestedIn(tree, [...trees, ...leftOut])] }));
  }

  /** `host: paths: {media: false}`: what lies there, or the symlink that stands there, is in no other component either. */
  async #leaveOutParts(): Promise<void> {
    for (const part of this.#profile === 'django' ? DJANGO_PARTS : []) {
      if (this.#request.settings.paths[part] !== false) continue;
      this.#uncovered.push({ subject: part, reason: `left out by \`host: paths: {${part}: false}\``, harmless: true });
      const usual = this.#settingOf(part) ?? join(this.#directory, part);
      const places = new Set([usual, await realpath(usual).catch(() => usual)]);
      this.#leftOutParts.push(...[...places].filter((path) => this.#isInside(path)).map((path) => this.#relative(path)));
    }
  }

  /** A folder that has a part's name and is not the one that the settings name: nobody said that it is to be left out. */
  #tellElsewhere(trees: readonly HostTree[]): void {
    for (const part of DJANGO_PARTS) {
      const set = this.#request.settings.paths[part];
      const usual = join(this.#directory, part);
      if (typeof set !== 'string' || this.#bytesOf(part) === 0 || trees.some(({ path }) => path === usual)) continue;
      this.#findings.push({
        severity: 'info',
        code: 'part-elsewhere',
        subject: usual,
        message: `${usual} is captured with files/app_code: \`host: paths: {${part}: …}\` names another place`,
        hint: `leave it out with \`host: exclude: [${part}]\``,
      });
    }
  }

  #leave(reason: string, path: string): void {
    this.#left.set(reason, [...(this.#left.get(reason) ?? []), path]);
  }

  #inLeftOutPart(path: string): boolean {
    return this.#leftOutParts.some((part) => path === part || path.startsWith(`${part}/`));
  }

  #isInside(path: string): boolean {
    return path.startsWith(`${this.#directory}/`);
  }

  #settingOf(part: DjangoPart): string | null {
    if (part === 'media') return this.#django?.mediaRoot ?? null;
    return part === 'staticfiles' ? (this.#django?.staticRoot ?? null) : null;
  }

  /** Compose binds outside of the directory. */
  async #binds(): Promise<readonly HostTree[]> {
    const trees: HostTree[] = [];
    for (const { id, path } of await composeBinds(this.#request.model, this.#directory))
      trees.push(await this.#tree(id, path, 'detected', []));
    return trees;
  }

  /** `host: components:`. */
  async #named(): Promise<readonly HostTree[]> {
    const trees: HostTree[] = [];
    for (const [name, wanted] of Object.entries(this.#request.settings.components)) {
      const path = await realpath(wanted).catch(() => null);
      if (path === null) this.#tellMissing('error', `${wanted} (component ${name}) does not exist`);
      else if (await isSqliteFile(path)) await this.#addDatabase(path, 'configuration');
      else trees.push(await this.#tree(componentId('files', name), path, 'configuration', []));
    }
    return trees;
  }

  async #tree(id: ComponentId, path: string, because: HostTree['because'], exclude: readonly string[]): Promise<HostTree> {
    const seen = path === this.#directory ? this.#bytesOf('') : this.#isInside(path) ? this.#sizes.of(this.#relative(path)) : undefined;
    const bytes = seen ?? (await this.#lookElsewhere(path));
    const databases = [...this.#databases.values()].filter((one) => one.path.startsWith(`${path}/`));
    const files = databases.flatMap((one) =>
      ['', ...SQLITE_COMPANIONS].map((suffix) => escapeGlob(`${one.path.slice(path.length + 1)}${suffix}`)),
    );
    const environments = [...this.#environments.map((one) => join(this.#directory, one)), ...this.#repositories]
      .filter((one) => one.startsWith(`${path}/`))
      .map((one) => escapeGlob(one.slice(path.length + 1)));
    return {
      id,
      path,
      exclude: [
        ...exclude,
        ...files,
        ...environments,
        ...excludedGlobs(),
        ...ownLogs(path, this.#request.logDirectory),
        ...this.#request.exclude,
        ...this.#request.settings.exclude,
      ],
      because,
      bytes,
    };
  }

  /** What is saved is not saved again, and no restore takes an older state of it for what is missing. */
  async #noteRepository(file: string): Promise<void> {
    if (basename(file) !== 'repository.json' || !(await isRepository(file))) return;
    const folder = dirname(file);
    this.#repositories.push(folder);
    this.#findings.push({
      severity: 'info',
      code: 'other-repository',
      subject: folder,
      message: 'a repository of this tool is left out, and stays as it is in a restore',
    });
  }

  /** Databases of a tree that the walk did not see; resolves with the bytes of its files. */
  async #lookElsewhere(path: string): Promise<number> {
    const info = await stat(path).catch(() => null);
    if (info?.isDirectory() !== true) return info?.size ?? 0;
    let total = 0;
    for await (const entry of listFiles(path, { names: EXCLUDED_NAMES, paths: [] }, this.#signal)) {
      if (entry.kind === 'link') this.#links.push(join(path, entry.path));
      if (entry.kind !== 'file') continue;
      total += entry.bytes;
      const file = join(path, entry.path);
      await this.#noteRepository(file);
      const isDatabase = this.#databases.size < MOST_DATABASES && mayBeSqlite(entry.path, entry.bytes) && (await isSqliteFile(file));
      if (isDatabase) await this.#addDatabase(file, 'detected');
    }
    return total;
  }

  *#namedDatabases(): Iterable<{ readonly path: string; readonly because: HostDatabaseFile['because'] }> {
    for (const path of this.#request.settings.databases) yield { path, because: 'configuration' };
    for (const path of this.#django?.databases.files ?? []) yield { path, because: 'detected' };
    if (this.#url?.kind === 'sqlite')
      yield { path: join(this.#url.path.startsWith('/') ? '' : this.#directory, this.#url.path), because: 'detected' };
  }

  async #addDatabase(path: string, because: HostDatabaseFile['because']): Promise<void> {
    const real = await realpath(path).catch(() => null);
    const info = real === null ? null : await stat(real).catch(() => null);
    if (real === null || info === null || !info.isFile()) {
      const named = because === 'configuration';
      this.#tellMissing(
        named ? 'error' : 'warning',
        `the SQLite database ${path} ${named ? 'of `host: databases:`' : 'that the settings name'} does not exist`,
      );
      return;
    }
    if (this.#databases.has(real)) return;
    const within = this.#isInside(real) ? this.#relative(real) : real;
    this.#databases.set(real, { id: componentId('sqlite', within), path: real, bytes: info.size, because });
  }

  #tellMissing(severity: Finding['severity'], message: string): void {
    this.#findings.push({ severity, code: 'part-missing', subject: this.#directory, message: `${this.#profile} profile: ${message}` });
  }

  #tellLeftOut(): void {
    for (const path of this.#environments)
      this.#uncovered.push({ subject: path, reason: 'a Python virtual environment: made again from its requirements', harmless: true });
    for (const [reason, paths] of this.#left) {
      const [first = ''] = paths.toSorted();
      this.#uncovered.push({ subject: paths.length === 1 ? first : `${first} and ${paths.length - 1} more`, reason, harmless: true });
    }
  }

  /** A link is stored as one; where it leads out of what is captured, that is told. Of configuration, what it leads to is stored. */
  async #tellLinks(captured: readonly string[], configured: readonly string[]): Promise<void> {
    const isWithin = (real: string): boolean =>
      [this.#directory, ...captured, ...this.#request.neverCapture].some((one) => real === one || real.startsWith(`${one}/`));
    const links = this.#links.filter((path) => !configured.includes(path) && !this.#inEnvironment(this.#shown(path)));
    this.#uncovered.push(
      ...(await linksOutside(
        links.map((path) => ({ path, shown: this.#shown(path) })),
        isWithin,
      )),
    );
    this.#findings.push(...configured.filter((path) => this.#links.includes(path)).map(configLinkFinding));
  }

  #shown(path: string): string {
    return this.#isInside(path) ? this.#relative(path) : path;
  }

  #inEnvironment(path: string): boolean {
    return this.#environments.some((one) => path.startsWith(`${one}/`));
  }

  #bytesOf(folder: string): number {
    return this.#sizes.of(folder) ?? 0;
  }

  #databaseBytes(below: string, except: readonly string[]): number {
    return [...this.#databases.values()]
      .filter(({ path }) => path.startsWith(`${below}/`) && !except.some((one) => this.#relative(path).startsWith(`${one}/`)))
      .reduce((sum, { bytes }) => sum + bytes, 0);
  }

  #relative(path: string): string {
    return path.slice(this.#directory.length + 1);
  }

  #neverWithin(): readonly string[] {
    return this.#request.neverCapture.filter((path) => this.#isInside(path)).map((path) => this.#relative(path));
  }
}

/** What a restore replaced, until nobody may go back to it, and what it put beside a database. */
function isOurs(path: string): boolean {
  if (path.includes(`${RAW_DATABASE_SUFFIX}/`)) return true;
  return path.includes(STAGING_PREFIX) && path.split('/').some(isStagingName);
}

/** What another tree captures is not captured twice. */
function nestedIn(tree: HostTree, trees: readonly { readonly path: string }[]): readonly string[] {
  return trees.filter((other) => other.path.startsWith(`${tree.path}/`)).map((other) => escapeGlob(other.path.slice(tree.path.length + 1)));
}
