import type { JsonObject, JsonValue } from './byte-stream.ts';
import type { Finding } from './finding.ts';

/** A place in a configuration file; line and column count from 1. */
export interface Where {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export type FileRole = 'compose' | 'include' | 'extends' | 'dotenv' | 'env_file' | 'label_file' | 'config' | 'secret' | 'dockerfile';

/** A file that loading read or that the model points at. `path` is absolute. */
export interface ReferencedFile {
  readonly path: string;
  readonly role: FileRole;
  readonly required: boolean;
}

export type ComposeMount =
  | {
      readonly type: 'volume';
      readonly source: string | null;
      readonly target: string;
      readonly readOnly: boolean;
      readonly subpath: string | null;
    }
  | { readonly type: 'bind'; readonly source: string; readonly target: string; readonly readOnly: boolean }
  | { readonly type: 'tmpfs'; readonly target: string }
  | { readonly type: 'other'; readonly kind: string; readonly source: string | null; readonly target: string; readonly readOnly: boolean };

export interface ComposeDependency {
  readonly condition: string;
  readonly restart: boolean;
  readonly required: boolean;
}

export interface ComposeService {
  readonly name: string;
  readonly image: string | null;
  readonly built: boolean;
  /** False when only an inactive profile would start it. */
  readonly active: boolean;
  readonly profiles: readonly string[];
  /** Top-level volume key, or null for an anonymous volume; absolute host path for binds. Unique by target. */
  readonly mounts: readonly ComposeMount[];
  readonly labels: Readonly<Record<string, string>>;
  /** env_file contents and `environment`, resolved. Null: declared without a value and not set. */
  readonly environment: Readonly<Record<string, string | null>>;
  /** Includes implicit ones: links, volumes_from, network_mode/ipc/pid `service:x`. */
  readonly dependsOn: Readonly<Record<string, ComposeDependency>>;
  readonly secrets: readonly { readonly source: string; readonly target: string }[];
  readonly configs: readonly { readonly source: string; readonly target: string }[];
  readonly containerName: string | null;
  readonly replicas: number;
  readonly extensions: JsonObject;
}

export interface ComposeVolume {
  readonly key: string;
  /** The engine's name: `name:`, or the key of an external one, or `<project>_<key>`. */
  readonly name: string;
  readonly external: boolean;
  readonly driver: string | null;
  readonly driverOptions: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

export interface ComposeFileObject {
  readonly key: string;
  /** Absolute path for `file:`. */
  readonly file: string | null;
  /** Variable name for `environment:`. */
  readonly environment: string | null;
  readonly content: string | null;
  readonly external: boolean;
}

/** A loaded, merged, interpolated Compose project. */
export interface ComposeModel {
  readonly name: string;
  readonly nameFrom: 'flag' | 'environment' | 'file' | 'directory';
  readonly workingDirectory: string;
  /** In load order, absolute; `-` is stdin. */
  readonly composeFiles: readonly string[];
  readonly referencedFiles: readonly ReferencedFile[];
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, ComposeVolume>>;
  readonly networks: Readonly<Record<string, JsonObject>>;
  readonly secrets: Readonly<Record<string, ComposeFileObject>>;
  readonly configs: Readonly<Record<string, ComposeFileObject>>;
  /** Top-level `x-…` values. */
  readonly extensions: JsonObject;
  /** Variables whose value came from the process environment while loading. */
  readonly environmentUsed: Readonly<Record<string, string>>;
  readonly findings: readonly Finding[];
  /** The canonical document, comparable with `docker compose config --format json`. */
  readonly document: JsonObject;
  /** Where a path of the document was written (`['services','db','labels','mcads.enable']`), the nearest known ancestor otherwise. */
  whereIs(path: readonly string[]): Where | null;
}

export type { JsonValue };
