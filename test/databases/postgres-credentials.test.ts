import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { credentialSources, resolveCredentials } from '../../src/databases/postgres/credentials.ts';
import { container, NO_SETTINGS } from '../support/project-builder.ts';

function sources(environment: Readonly<Record<string, string>>, postgres: Partial<typeof NO_SETTINGS.postgres> = {}) {
  return credentialSources({
    service: 'db',
    container: container('db', { environment }),
    settings: { ...NO_SETTINGS, postgres: { ...NO_SETTINGS.postgres, ...postgres } },
  });
}

describe('credentials', () => {
  it('prefers the label, then files, then the environment, then the trust of the socket', () => {
    const environment = { POSTGRES_USER: 'app', POSTGRES_PASSWORD: 'old', POSTGRES_PASSWORD_FILE: '/run/secrets/pw' };
    expect(sources(environment, { user: 'boss', passwordFile: '/run/secrets/boss' })).toEqual({
      user: { from: 'mcads.postgres.user', value: 'boss' },
      password: { from: 'mcads.postgres.passwordFile', file: '/run/secrets/boss' },
    });
    expect(sources(environment).password).toEqual({ from: 'POSTGRES_PASSWORD_FILE', file: '/run/secrets/pw' });
    expect(sources({ POSTGRES_PASSWORD: 'x' }).password).toEqual({ from: 'POSTGRES_PASSWORD', value: 'x' });
    expect(sources({})).toEqual({ user: { from: 'the image', value: 'postgres' }, password: null });
    expect(sources({ POSTGRES_USER_FILE: '/run/secrets/user' }).user).toEqual({ from: 'POSTGRES_USER_FILE', file: '/run/secrets/user' });
  });

  it("takes Bitnami's superuser where its password is known, the application's user where not", () => {
    expect(sources({ POSTGRESQL_USERNAME: 'app', POSTGRESQL_PASSWORD: 'a', POSTGRESQL_POSTGRES_PASSWORD: 'p' })).toEqual({
      user: { from: 'the image', value: 'postgres' },
      password: { from: 'POSTGRESQL_POSTGRES_PASSWORD', value: 'p' },
    });
    expect(sources({ POSTGRESQL_USERNAME: 'app', POSTGRESQL_PASSWORD: 'a' })).toEqual({
      user: { from: 'POSTGRESQL_USERNAME', value: 'app' },
      password: { from: 'POSTGRESQL_PASSWORD', value: 'a' },
    });
    expect(sources({ POSTGRESQL_PASSWORD: 'a' }).user.value).toBe('postgres');
  });

  it("reads files as the images' entrypoints do and never shows what they hold", async () => {
    const found = await resolveCredentials(sources({ POSTGRES_PASSWORD_FILE: '/run/secrets/pw' }), 'db', async () => 'top secret\n\n');
    expect(found.password?.reveal()).toBe('top secret');
    expect(inspect(found) + JSON.stringify(found)).not.toContain('top secret');
  });

  it('names the setting whose file is missing', async () => {
    const missing = resolveCredentials(sources({}, { passwordFile: '/run/secrets/none' }), 'db', async () => null);
    await expect(missing).rejects.toMatchObject({
      code: 'component-failed',
      message: 'service db: /run/secrets/none (mcads.postgres.passwordFile) is not in the container',
    });
  });
});
