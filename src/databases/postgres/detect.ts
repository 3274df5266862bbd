import type { EngineContainer } from '../../domain/engine-model.ts';
import type { ComponentSettings } from '../../domain/plan.ts';
import type { Detection } from '../../domain/database-ports.ts';
import { imageNames } from '../image-name.ts';

/** Last parts of image names that are PostgreSQL servers. Images built from the official one are found by its variables. */
const SERVERS: ReadonlySet<string> = new Set([
  'postgres',
  'postgresql',
  'postgresql-repmgr',
  'postgis',
  'timescaledb',
  'timescaledb-ha',
  'timescaledb-postgis',
  'pgvector',
  'pgvecto-rs',
  'vchord-postgres',
  'vchord-suite',
  'aio-postgresql',
  'pgautoupgrade',
  'citus',
  'paradedb',
  'spilo',
  'postgres-ssl',
]);

/** Tools around PostgreSQL, many of them built from the official image and so carrying its variables. */
const TOOLS = /backup|export|admin|bouncer|pgpool|client|migrat|dump|wal-g|restore/;

export type DetectedFrom = Pick<EngineContainer, 'image' | 'imageTags' | 'imageDigests' | 'imageEnvironment' | 'labels'>;

/** Label, then image name, then the variables that the official image and Bitnami's bake in. */
export function detectPostgres(container: DetectedFrom, settings: ComponentSettings): Detection | null {
  if (settings.engine !== null) return settings.engine === 'postgres' ? { because: 'label', why: 'mcads.engine' } : null;
  const names = imageNames(container);
  if (names.some((name) => TOOLS.test(name))) return null;
  const named = names.find((name) => SERVERS.has(name.split('/').at(-1) ?? ''));
  if (named !== undefined) return { because: 'detected', why: `image ${named}` };
  const baked = container.imageEnvironment;
  if (baked['PG_MAJOR'] !== undefined && baked['PGDATA'] !== undefined)
    return { because: 'detected', why: "PG_MAJOR and PGDATA in the image's environment" };
  if (baked['BITNAMI_APP_NAME'] === 'postgresql' || baked['BITNAMI_APP_NAME'] === 'postgresql-repmgr') {
    return { because: 'detected', why: "BITNAMI_APP_NAME in the image's environment" };
  }
  return null;
}

/** Where the cluster lies as the environment says; the running server's own word is better. */
export function clusterDirectory(container: Pick<EngineContainer, 'environment' | 'imageEnvironment' | 'command'>): string {
  const told = container.environment['PGDATA'] ?? container.environment['POSTGRESQL_DATA_DIR'] ?? container.imageEnvironment['PGDATA'];
  const flag = container.command.findIndex((argument) => argument === '-D');
  const argument =
    flag === -1 ? container.command.find((one) => one.startsWith('--data-directory='))?.split('=')[1] : container.command[flag + 1];
  const isBitnami = container.imageEnvironment['BITNAMI_APP_NAME'] !== undefined;
  return (argument ?? told ?? (isBitnami ? '/bitnami/postgresql/data' : '/var/lib/postgresql/data')).replace(/(?<=.)\/+$/, '');
}
