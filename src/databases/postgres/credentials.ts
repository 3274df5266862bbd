import { Secret } from '../../domain/secret.ts';
import type { DatabaseTarget } from '../../domain/database-ports.ts';
import { McadsError } from '../../errors.ts';

/** Where a user name or password comes from; files lie in the container. */
export interface CredentialSource {
  readonly from: string;
  readonly value?: string;
  readonly file?: string;
}

export interface CredentialSources {
  readonly user: CredentialSource;
  /** Null: none is known, the socket must trust us. */
  readonly password: CredentialSource | null;
}

export interface Credentials {
  readonly user: string;
  readonly password: Secret | null;
  /** For messages: `POSTGRES_PASSWORD_FILE`. Null without a password. */
  readonly passwordFrom: string | null;
}

/**
 * Which user and password to try: the label, then `*_FILE` of the container, then its environment. Pure.
 * Bitnami's `postgres` user has a password of its own; without it the application's user is taken, which is no superuser.
 */
export function credentialSources(target: DatabaseTarget): CredentialSources {
  const environment = target.container.environment;
  const { user, passwordFile } = target.settings.postgres;
  const labelUser = user === null ? null : { from: 'mcads.postgres.user', value: user };
  const labelPassword = passwordFile === null ? null : { from: 'mcads.postgres.passwordFile', file: passwordFile };
  const bitnamiUser = fromEnvironment(environment, 'POSTGRESQL_USERNAME');
  if (
    bitnamiUser !== null ||
    fromEnvironment(environment, 'POSTGRESQL_PASSWORD') !== null ||
    target.container.imageEnvironment['BITNAMI_APP_NAME'] !== undefined
  ) {
    const own = bitnamiUser ?? fromEnvironment(environment, 'POSTGRES_USER');
    const superPassword =
      fromEnvironment(environment, 'POSTGRESQL_POSTGRES_PASSWORD') ?? fromEnvironment(environment, 'POSTGRES_POSTGRES_PASSWORD');
    const password = fromEnvironment(environment, 'POSTGRESQL_PASSWORD') ?? fromEnvironment(environment, 'POSTGRES_PASSWORD');
    const asSuperuser = own === null || own.value === 'postgres' || superPassword !== null;
    return {
      user: labelUser ?? (asSuperuser ? { from: 'the image', value: 'postgres' } : own),
      password: labelPassword ?? (asSuperuser ? (superPassword ?? password) : password),
    };
  }
  return {
    user: labelUser ?? fromEnvironment(environment, 'POSTGRES_USER') ?? { from: 'the image', value: 'postgres' },
    password: labelPassword ?? fromEnvironment(environment, 'POSTGRES_PASSWORD') ?? fromEnvironment(environment, 'PGPASSWORD'),
  };
}

/** Turns sources into values; `readFile` gives a file's text as the container sees it, null where it is missing. */
export async function resolveCredentials(
  sources: CredentialSources,
  service: string,
  readFile: (path: string) => Promise<string | null>,
): Promise<Credentials> {
  const user = await valueOf(sources.user, service, readFile);
  if (sources.password === null) return { user, password: null, passwordFrom: null };
  const password = await valueOf(sources.password, service, readFile);
  return { user, password: password === '' ? null : new Secret(password), passwordFrom: sources.password.from };
}

async function valueOf(source: CredentialSource, service: string, readFile: (path: string) => Promise<string | null>): Promise<string> {
  if (source.file === undefined) return source.value ?? '';
  const text = await readFile(source.file);
  if (text === null) {
    throw new McadsError('component-failed', `service ${service}: ${source.file} (${source.from}) is not in the container`, {
      hint: 'the path is the one inside the container, such as /run/secrets/name',
    });
  }
  // The images' entrypoints drop trailing newlines likewise.
  return text.replace(/\n+$/, '');
}

function fromEnvironment(environment: Readonly<Record<string, string>>, name: string): CredentialSource | null {
  const file = environment[`${name}_FILE`];
  if (file !== undefined && file !== '') return { from: `${name}_FILE`, file };
  const value = environment[name];
  return value === undefined || value === '' ? null : { from: name, value };
}
