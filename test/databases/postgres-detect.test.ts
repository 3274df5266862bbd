import { describe, expect, it } from 'vitest';
import { databaseAdapters } from '../../src/databases/registry.ts';
import { clusterDirectory, detectPostgres } from '../../src/databases/postgres/detect.ts';
import { container, NO_SETTINGS } from '../support/project-builder.ts';

describe('detecting PostgreSQL', () => {
  it.each([
    'postgres:15',
    'registry.example.com:5000/mirror/postgres:17-alpine',
    'postgres@sha256:00',
    'postgis/postgis:16-3.4',
    'timescale/timescaledb-ha:pg16',
    'pgvector/pgvector:pg17',
    'ghcr.io/immich-app/postgres:14',
    'bitnami/postgresql:16',
    'supabase/postgres',
  ])('knows the image %s', (image) => {
    expect(detectPostgres(container('db', { image, imageTags: [] }), NO_SETTINGS)?.because).toBe('detected');
  });

  it('says what it recognised', () => {
    expect(detectPostgres(container('db', { image: 'localhost:5000/x/postgres:15' }), NO_SETTINGS)?.why).toBe('image x/postgres');
    const derived = container('db', { image: 'shop-db', imageTags: [], imageEnvironment: { PG_MAJOR: '15', PGDATA: '/d' } });
    expect(detectPostgres(derived, NO_SETTINGS)?.why).toBe("PG_MAJOR and PGDATA in the image's environment");
    expect(detectPostgres(container('db', { imageEnvironment: { BITNAMI_APP_NAME: 'postgresql' } }), NO_SETTINGS)?.because).toBe(
      'detected',
    );
  });

  it('lets the label win in both directions', () => {
    expect(detectPostgres(container('db', { image: 'anything' }), { ...NO_SETTINGS, engine: 'postgres' })).toEqual({
      because: 'label',
      why: 'mcads.engine',
    });
    expect(detectPostgres(container('db', { image: 'postgres' }), { ...NO_SETTINGS, engine: 'none' })).toBeNull();
  });

  it.each(['prodrigestivill/postgres-backup-local', 'prometheuscommunity/postgres-exporter', 'dpage/pgadmin4', 'edoburu/pgbouncer'])(
    'does not take the tool %s for a server',
    (image) => {
      expect(
        detectPostgres(container('x', { image, imageTags: [], imageEnvironment: { PG_MAJOR: '15', PGDATA: '/d' } }), NO_SETTINGS),
      ).toBeNull();
    },
  );

  it('finds the cluster where command, environment and image say', () => {
    expect(clusterDirectory(container('db'))).toBe('/var/lib/postgresql/data');
    expect(clusterDirectory(container('db', { environment: { PGDATA: '/var/lib/postgresql/18/docker/' } }))).toBe(
      '/var/lib/postgresql/18/docker',
    );
    expect(clusterDirectory(container('db', { command: ['postgres', '-D', '/elsewhere'] }))).toBe('/elsewhere');
    expect(clusterDirectory(container('db', { imageEnvironment: { BITNAMI_APP_NAME: 'postgresql' } }))).toBe('/bitnami/postgresql/data');
  });

  it('is in the registry', () => {
    expect(databaseAdapters.map((adapter) => adapter.engine)).toEqual(['postgres']);
  });
});
