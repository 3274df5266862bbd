import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadConfig, type ConfigSources } from '../../src/config/config.ts';
import { GLOBAL_ROWS } from '../../src/config/global-rows.ts';
import { parseSettingsFile } from '../../src/config/settings-file.ts';
import { McadsError } from '../../src/errors.ts';
import { modelOf } from '../support/compose-text.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const NOTHING: ConfigSources = { flags: {}, environment: {}, model: null, file: null, workingDirectory: '/cwd' };

async function problemOf(sources: Partial<ConfigSources>): Promise<McadsError> {
  try {
    await loadConfig({ ...NOTHING, ...sources });
  } catch (error) {
    if (error instanceof McadsError) return error;
    throw error;
  }
  throw new Error('the settings were accepted');
}

describe('precedence', () => {
  const sources = ['flag', 'environment', 'x-mcads', 'file'] as const;
  const settings = [
    { name: 'strategy', values: ['auto', 'docker', 'host'] },
    { name: 'lockTimeout', values: ['1s', '2m', '3h'], read: 'lockTimeoutMs' },
    { name: 'keepOld', values: ['1s', '2d', '0'], read: 'keepOldMs' },
    { name: 'helperImage', values: ['a:1', 'b:2', 'c:3'] },
    { name: 'images', values: ['none', 'local'] },
  ] as const;

  test('the strongest source that says something wins, and is named as the origin', async () => {
    const given = fc.record(Object.fromEntries(sources.map((source) => [source, fc.option(fc.nat(2))])));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...settings), given, async (setting, chosen) => {
        const row = GLOBAL_ROWS.find((one) => one.path.join('.') === setting.name);
        if (row === undefined) throw new Error(`no row for ${setting.name}`);
        const valueOf = (source: (typeof sources)[number]): string | null => {
          const index = chosen[source];
          return index === null || index === undefined ? null : (setting.values[index % setting.values.length] ?? null);
        };
        const [flag, variable, block, file] = sources.map(valueOf);
        const config = await loadConfig({
          ...NOTHING,
          flags: flag ? { [setting.name]: flag } : {},
          environment: variable ? { [row.variable]: variable } : {},
          model: block ? await modelOf(`x-mcads: {${setting.name}: '${block}'}\nservices: {a: {image: b}}\n`) : null,
          file: file ? parseSettingsFile(`${setting.name}: '${file}'\n`, '/p/mcads.yaml') : null,
        });
        const winner = sources.find((source) => valueOf(source) !== null) ?? 'default';
        expect(config.origins[setting.name]?.kind).toBe(winner);
        if (winner === 'default') return;
        const alone = await loadConfig({ ...NOTHING, flags: { [setting.name]: valueOf(winner) ?? '' } });
        expect(config.settings).toEqual(alone.settings);
      }),
      { numRuns: 60 },
    );
  });

  test('a policy comes whole from one source: rules of several places never add up', async () => {
    const config = await loadConfig({
      ...NOTHING,
      flags: { 'keep.daily': '3' },
      file: parseSettingsFile('keep: {last: 5, weekly: 4}', '/p/mcads.yaml'),
    });
    expect(config.settings.keep).toMatchObject({ last: null, daily: 3, weekly: null });
  });

  test('without any rule the newest ten are kept', async () => {
    expect((await loadConfig(NOTHING)).settings.keep).toMatchObject({ last: 10, daily: null });
  });

  test('labels win over x-mcads, x-mcads over mcads.yaml, and a flag over all of them', async () => {
    const model = await modelOf(`x-mcads: {services: {db: {quiesce: stop, engine: none}}}\nservices: {db: {image: postgres}}\n`);
    const file = parseSettingsFile('quiesce: none\nservices: {db: {engine: postgres, consistency: crash}}', '/p/mcads.yaml');
    const config = await loadConfig({ ...NOTHING, model, file });
    const resolved = config.forService('db', { 'mcads.quiesce': 'pause' });
    expect(resolved.settings).toMatchObject({ quiesce: 'pause', engine: 'none', consistency: 'crash' });
    expect(resolved.origins).toMatchObject({ quiesce: { kind: 'label' }, engine: { kind: 'x-mcads' }, consistency: { kind: 'file' } });
    expect(config.forVolume('data', {}).settings.quiesce).toBe('none');
    const forced = await loadConfig({ ...NOTHING, model, file, flags: { quiesce: 'stop' } });
    expect(forced.forService('db', { 'mcads.quiesce': 'pause' }).settings.quiesce).toBe('stop');
  });

  test('paths belong to the folder of their source', async () => {
    const file = parseSettingsFile('repository: ./b', '/project/mcads.yaml');
    expect((await loadConfig({ ...NOTHING, file })).settings.repository).toBe('/project/b');
    expect((await loadConfig({ ...NOTHING, file, flags: { repository: './c' } })).settings.repository).toBe('/cwd/c');
  });
});

describe('problems', () => {
  test('all are reported at once, each with its place and a suggestion', async () => {
    const file = parseSettingsFile(
      'repositry: ./b\nkeep:\n  dayly: 7\nservices:\n  db:\n    postgres:\n      port: many\n',
      '/p/mcads.yaml',
    );
    const error = await problemOf({ file, flags: { 'keep.last': 'x' }, environment: { MCADS_STRICT: 'maybe' } });
    expect(error.code).toBe('config');
    expect(error.message.split('\n')).toEqual([
      '5 problems in the settings:',
      '  --keep-last: --keep-last must be a whole number',
      '  MCADS_STRICT: MCADS_STRICT must be true or false',
      '  /p/mcads.yaml:3:3: unknown setting keep.dayly (did you mean keep.daily?)',
      '  /p/mcads.yaml:7:7: services.db.postgres.port must be a port number',
      '  /p/mcads.yaml:1:1: unknown setting repositry (did you mean repository?)',
    ]);
  });

  test.each([
    ['a: [', '/p/mcads.yaml:1:5'],
    ['keep: {last: 1}\nkeep: {last: 2}\n', '/p/mcads.yaml:2:1'],
    ['- a\n', '/p/mcads.yaml:1:1'],
  ])('a file that is no mapping of settings is located: %j', async (text, where) => {
    expect((await problemOf({ file: parseSettingsFile(text, '/p/mcads.yaml') })).where).toBe(where);
  });

  test('a block for a service that the project does not have is refused', async () => {
    const model = await modelOf('x-mcads: {services: {bd: {enable: false}}}\nservices: {db: {image: postgres}}\n');
    expect(await problemOf({ model })).toMatchObject({
      message: 'the project has no service bd',
      hint: 'did you mean db?',
      where: expect.stringMatching(/:1:\d+$/),
    });
  });

  test('a wrong label fails only its own service or volume', async () => {
    const config = await loadConfig(NOTHING);
    expect(config.forService('db', { 'mcads.enabel': 'true' }).failure).toMatchObject({
      reason: expect.stringContaining('unknown label mcads.enabel'),
      hint: 'did you mean mcads.enable?',
    });
    expect(config.forVolume('data', { 'mcads.engine': 'postgres' }).failure?.reason).toContain('belongs on a service');
    expect(config.forService('db', { 'mcads.quiesce': 'freeze' }).failure?.reason).toContain('must be one of none, pause, stop');
    expect(config.forService('web', { 'mcads.enable': 'false', 'com.example': 'x' })).toMatchObject({
      failure: null,
      settings: { enable: false },
    });
  });

  test('an unknown variable is a warning', async () => {
    const config = await loadConfig({ ...NOTHING, environment: { MCADS_REPOSITROY: '/x', MCADS_TEST_ENGINE: 'skip' } });
    expect(config.findings).toEqual([
      {
        severity: 'warning',
        code: 'unknown-variable',
        subject: 'MCADS_REPOSITROY',
        message: 'unknown variable MCADS_REPOSITROY',
        hint: 'did you mean MCADS_REPOSITORY?',
      },
    ]);
  });
});

describe('variables', () => {
  test('each can come from a file, but not from both', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'repository');
    await writeFile(path, '/mnt/backups\n');
    const config = await loadConfig({ ...NOTHING, environment: { MCADS_REPOSITORY_FILE: path } });
    expect(config.settings.repository).toBe('/mnt/backups');
    expect((await problemOf({ environment: { MCADS_REPOSITORY_FILE: path, MCADS_REPOSITORY: '/x' } })).message).toContain('are both set');
    expect((await problemOf({ environment: { MCADS_REPOSITORY_FILE: join(folder.path, 'missing') } })).message).toContain('cannot be read');
  });
});

describe('values in text', () => {
  test.each([
    [{ 'mcads.exclude': 'a/**, {b,c}/*\n[d]*' }, { exclude: ['a/**', '{b,c}/*', '[d]*'] }],
    [{ 'mcads.exclude': '["a,b"]' }, { exclude: ['a,b'] }],
    [{ 'mcads.exec.before': 'sync && true' }, { execBefore: ['sh', '-c', 'sync && true'] }],
    [
      { 'mcads.exec.before': '["sync", "-f"]', 'mcads.exec.timeout': '2m' },
      { execBefore: ['sync', '-f'], execTimeoutMs: 120_000 },
    ],
    [
      { 'mcads.postgres.databases': 'app, "odd name"', 'mcads.postgres.port': '5433' },
      { postgres: { user: null, passwordFile: null, port: 5433, databases: ['app', '"odd name"'] } },
    ],
  ])('%j', async (labels, expected) => {
    const { settings, failure } = (await loadConfig(NOTHING)).forService('db', Object.fromEntries(Object.entries(labels)));
    expect(failure).toBeNull();
    expect(settings).toMatchObject(expected);
  });
});
