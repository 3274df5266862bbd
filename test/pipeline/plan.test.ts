import { NO_HOST_SETTINGS } from '../../src/domain/host.ts';
import { describe, expect, test } from 'vitest';
import type { HostFiles } from '../../src/domain/ports.ts';
import { McadsError } from '../../src/errors.ts';
import { becauseOf } from '../../src/pipeline/because.ts';
import { gatherConfig } from '../../src/pipeline/capture-config.ts';
import { plan } from '../../src/pipeline/plan.ts';
import type { PlanPorts, SettingsLookup } from '../../src/pipeline/requests.ts';
import { container, NO_SETTINGS, project, settingsOf, volume, volumeMount } from '../support/project-builder.ts';

const NEVER = new AbortController().signal;
const HOST: HostFiles = {
  readFile: async () => null,
  identify: async () => null,
  rotatingDisk: async () => null,
  openForWriting: async () => [],
  repositoriesIn: async () => [],
  namesIn: async () => [],
  withAccessList: async () => new Set(),
  glob: async () => [],
};
const SHOP = project([container('web', { mounts: [volumeMount('shop_media', '/media')] })], [volume('shop_media', 'media')]);

async function planned(settings: SettingsLookup, shop = SHOP) {
  const ports: PlanPorts = { adapters: [], recognise: () => null, settingsFor: () => settings, host: HOST, runId: 'run' };
  const request = {
    directory: '/srv/shop',
    projectName: null,
    services: [],
    components: [],
    images: 'none' as const,
    configFiles: [],
    exclude: [],
    sizes: false,
    neverCapture: [],
    logDirectory: '/srv/shop/logs',
    hostSettings: NO_HOST_SETTINGS,
    strategy: 'auto' as const,
  };
  return plan(shop, null, request, ports, NEVER);
}

describe('a plan', () => {
  test('a wrong label fails what its service uses and is told once', async () => {
    const failure = { reason: 'service web: unknown label mcads.exlude' };
    const wrong: SettingsLookup = { ...settingsOf(), forService: () => ({ settings: NO_SETTINGS, failure }) };
    const made = await planned(wrong);
    expect(made.findings).toEqual([]);
    const failed = made.groups.flatMap((group) => group.components).filter((one) => one.failure !== undefined);
    expect(failed.map((one) => one.id)).toEqual(['volume/media']);
  });

  test('says whether a label, a block of settings or nobody asked for a component', () => {
    const from = (kind: string) => ({ settings: NO_SETTINGS, failure: null, origins: { engine: { kind } } });
    expect(becauseOf('engine', from('label'))).toBe('label');
    expect(becauseOf('engine', null, from('x-mcads'))).toBe('configuration');
    expect(becauseOf('engine', { settings: NO_SETTINGS, failure: null })).toBe('detected');
  });
});

test('a configuration file that we may not read is told, and the others are there', async () => {
  const host: HostFiles = {
    ...HOST,
    glob: async () => ['/srv/shop/a.env', '/srv/shop/secret.env'],
    readFile: async (path) => {
      if (path.endsWith('secret.env')) throw new McadsError('forbidden', `no permission to read ${path}`, { hint: 'run with sudo' });
      return { path, bytes: new Uint8Array(1), mode: 0o600, owner: null, mtime: '0' };
    },
  };
  const { files, findings } = await gatherConfig(SHOP, ['*.env'], host, null, NEVER);
  expect(files.map(({ path }) => path)).toEqual(['/srv/shop/.env', '/srv/shop/a.env']);
  expect(findings).toEqual([
    {
      severity: 'error',
      code: 'config-file-unreadable',
      subject: '/srv/shop/secret.env',
      message: 'no permission to read /srv/shop/secret.env: it is NOT in this snapshot',
      hint: 'run with sudo',
    },
  ]);
});
