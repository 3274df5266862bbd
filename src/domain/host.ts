import type { ByteStream, JsonObject } from './byte-stream.ts';
import { componentIdOfName, type ComponentId } from './component.ts';
import type { ComposeModel } from './compose-model.ts';
import type { Finding, Uncovered } from './finding.ts';
import type { Because } from './manifest.ts';
import type { Secret } from './secret.ts';
import type { TreeSource } from './tree.ts';

/** What is known of an application's layout: `django` knows its parts by name, `generic` takes the directory as it is. */
export type HostProfile = 'django' | 'generic';

/** The directories that the `django` profile looks for. The application's code is what lies beside them. */
export const DJANGO_PARTS = ['media', 'staticfiles', 'static', 'logs', 'data_exports', 'models', 'tests', 'locale'] as const;

export type DjangoPart = (typeof DJANGO_PARTS)[number];

const TIME = `${'[0-9]'.repeat(8)}_${'[0-9]'.repeat(6)}`;
/** What this tool writes into the folder of its logs, which may be the application's own. */
export const OWN_LOG_GLOBS: readonly string[] = [`*_${TIME}.log`, `restore_${TIME}_verification.txt`];

/** The `host:` block of the settings. Paths are absolute. */
export interface HostSettings {
  /** Null: found out. */
  readonly profile: HostProfile | null;
  /** Where a part lies that is not in its usual place; false: it is not captured. */
  readonly paths: Readonly<Partial<Record<DjangoPart, string | false>>>;
  /** Further SQLite databases. */
  readonly databases: readonly string[];
  /** Globs left out of every tree of the host, relative to its root. */
  readonly exclude: readonly string[];
  /** systemd units that belong to the application. */
  readonly services: readonly string[];
  /** Further directories and files by name: `files/<name>`. */
  readonly components: Readonly<Record<string, string>>;
}

export const NO_HOST_SETTINGS: HostSettings = { profile: null, paths: {}, databases: [], exclude: [], services: [], components: {} };

/** A directory or file of the host that becomes a component. */
export interface HostTree {
  readonly id: ComponentId;
  /** Absolute, without symlinks. */
  readonly path: string;
  /** Globs relative to the path: what other components hold, default excludes, settings. */
  readonly exclude: readonly string[];
  readonly because: Because;
  /** Plain bytes of its files as the survey saw them. */
  readonly bytes: number;
}

/** An SQLite database of the host. */
export interface HostDatabaseFile {
  readonly id: ComponentId;
  /** Absolute, without symlinks. */
  readonly path: string;
  readonly bytes: number;
  readonly because: Because;
}

/** A PostgreSQL database that the application reaches by its `DATABASE_URL`. */
export interface HostServerDatabase {
  readonly id: ComponentId;
  /** Name, address or socket folder. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly password: Secret | null;
  /** Further parameters of the URL (`sslmode`). */
  readonly parameters: Readonly<Record<string, string>>;
  readonly because: Because;
}

/** What the server that `service` names (the middle part of its component's id) is called where containers have their id. */
export function serverContainerId(service: string): string {
  return `database/${service}`;
}

/** The component of a database that is reached over the network: `database/localhost/shop`, with the port where it is not the usual one. */
export function serverComponentId(host: string, port: number, database: string): ComponentId {
  return componentIdOfName('database', serviceOfServer(host, port), database);
}

export function serviceOfServer(host: string, port: number): string {
  return port === 5432 ? host : `${host}:${port}`;
}

/** A systemd unit that has to do with the application. */
export interface HostUnit {
  readonly name: string;
  /** Where its file lies; null where there is none. */
  readonly file: string | null;
  /** Words of `systemctl is-enabled` and `is-active`; null where systemd does not answer. */
  readonly enabled: string | null;
  readonly active: string | null;
  /** Units that would start it by themselves (sockets, timers, paths). */
  readonly triggeredBy: readonly string[];
  /** Units that it is started after. */
  readonly after: readonly string[];
  /** Components that its working directory, programs or settings lie in. */
  readonly uses: readonly ComponentId[];
}

/** An application directory on a plain host and everything of it that holds state. */
export interface HostApplication {
  readonly profile: HostProfile;
  readonly directory: string;
  /** The package that holds Django's settings. */
  readonly settingsPackage: string | null;
  readonly trees: readonly HostTree[];
  readonly databases: readonly HostDatabaseFile[];
  readonly servers: readonly HostServerDatabase[];
  /** Absolute paths of the files for the `config` component. */
  readonly configFiles: readonly string[];
  readonly units: readonly HostUnit[];
  readonly findings: readonly Finding[];
  readonly uncovered: readonly Uncovered[];
}

export interface SurveyRequest {
  /** Absolute. */
  readonly directory: string;
  readonly model: ComposeModel | null;
  readonly settings: HostSettings;
  /** Also where nothing but files says that this is an application. */
  readonly anyDirectory: boolean;
  /** Globs left out of everything, relative to the directory. */
  readonly exclude: readonly string[];
  /** Folders that are never captured: the repository. Absolute. */
  readonly neverCapture: readonly string[];
  /** Where this tool writes its logs: those are left out. Absolute. */
  readonly logDirectory: string;
  /** From flags and settings: names a systemd unit; null where nobody said. */
  readonly projectName: string | null;
}

export interface OpenHostTree {
  readonly temporaryDirectory: string;
  /** Folders below that are not entered, relative. */
  readonly prune: readonly string[];
  /** Globs that whoever captures leaves out: what cannot be stored is told only where it is wanted. */
  readonly exclude: readonly string[];
}

/** A restore puts the files of a database that could not be copied into a folder of this ending beside it; it is not captured again. */
export const RAW_DATABASE_SUFFIX = '.mcads-damaged';

/** Removed when it is disposed of. */
export interface FolderOfCopies extends AsyncDisposable {
  readonly path: string;
}

/** This machine as the runtime of an application. The only implementation is `src/host`. */
export interface HostRuntime {
  /** What a directory looks like at a glance; null where nothing says that it is an application (`anyDirectory`: where nothing is in it). */
  profileOf(directory: string, anyDirectory: boolean): Promise<HostProfile | null>;
  /** The package that holds Django's settings; null where there is none. */
  settingsPackage(directory: string): Promise<string | null>;
  /** Looks at the directory and changes nothing; null where it is no application. */
  survey(request: SurveyRequest, signal: AbortSignal): Promise<HostApplication | null>;
  /** A directory or single file. Rejects `component-failed` where it cannot be read at all. */
  openTree(path: string, options: OpenHostTree, signal: AbortSignal): Promise<TreeSource>;
  /**
   * A consistent copy of an SQLite database while others write it: made and checked before the first byte is handed out, in the spool folder
   * until the stream has ended. Rejects `component-failed` with the reason for one that is locked, corrupt, encrypted or not readable.
   */
  copyDatabase(path: string, spoolDirectory: string, onCopied: (bytes: number) => void, signal: AbortSignal): Promise<ByteStream>;
  /** The files of one that cannot be copied so, with its logs, in a folder of the spool folder. Rejects `component-failed`. */
  copyRawDatabase(path: string, spoolDirectory: string, signal: AbortSignal): Promise<FolderOfCopies>;
  /**
   * `pg_dump` in custom format by the local client, rows counted in the snapshot that it reads. `queries` by the name of the fact that each one's
   * JSON becomes, asked in that snapshot too. Rejects `component-failed`.
   */
  dumpServer(database: HostServerDatabase, queries: Readonly<Record<string, string>>, signal: AbortSignal): Promise<ByteStream>;
  /** Facts of system, packages and units. */
  state(application: HostApplication, signal: AbortSignal): Promise<JsonObject>;
}
