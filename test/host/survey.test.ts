import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readDjangoSettings } from '../../src/host/django-settings.ts';
import { parseDatabaseUrl } from '../../src/host/project-variables.ts';
import { stopOrder } from '../../src/host/stop-order.ts';
import { mentions, parseShow, Systemd } from '../../src/host/systemd.ts';
import { findUnits } from '../../src/host/find-units.ts';
import { componentId } from '../../src/domain/component.ts';
import { fastFolder } from '../support/host-app.ts';

const NEVER = new AbortController().signal;

let base: string;
beforeEach(() => (base = fastFolder('mcads-survey-')));
afterEach(() => rmSync(base, { recursive: true, force: true }));

test.each([
  ["BASE_DIR / 'db.sqlite3'", 'db.sqlite3'],
  ["str(BASE_DIR / 'data' / 'app.db')", 'data/app.db'],
  ["os.path.join(BASE_DIR, 'data', 'app.db')", 'data/app.db'],
  ["os.environ.get('DB_NAME', BASE_DIR / 'db.sqlite3')", 'db.sqlite3'],
  ["os.getenv('SET_NAME', 'other.db')", 'from-env.db'],
  ["'plain.db'", 'plain.db'],
])('a database that the settings name as %s is found', async (expression, path) => {
  mkdirSync(join(base, 'shop'));
  writeFileSync(join(base, 'manage.py'), "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')");
  writeFileSync(
    join(base, 'shop/settings.py'),
    `DATABASES = {\n  'default': {\n    'ENGINE': 'django.db.backends.sqlite3',\n    'NAME': ${expression},\n  }\n}\nMEDIA_ROOT = BASE_DIR / 'uploads'\n`,
  );
  const settings = await readDjangoSettings(base, (name) => (name === 'SET_NAME' ? 'from-env.db' : null));
  expect(settings).toMatchObject({
    settingsPackage: 'shop',
    databases: { files: [join(base, path)], serverEngine: null, unclear: [] },
    mediaRoot: join(base, 'uploads'),
  });
});

test('settings that only Python understands are no guess', async () => {
  mkdirSync(join(base, 'shop'));
  writeFileSync(join(base, 'manage.py'), "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')");
  writeFileSync(
    join(base, 'shop/settings.py'),
    "DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': name_of(x)}}\nMEDIA_ROOT = where()\n",
  );
  expect(await readDjangoSettings(base, () => null)).toMatchObject({
    databases: { files: [], serverEngine: 'postgresql' },
    mediaRoot: null,
    areThere: true,
    unclear: ['MEDIA_ROOT'],
  });
});

test.each([
  ['one that comes later counts', "MEDIA_ROOT = '/a'\nMEDIA_ROOT = '/b'\n", '/b', true],
  ['over several lines', "MEDIA_ROOT = os.path.join(\n    BASE_DIR,  # here\n    'up',\n)\n", 'up', true],
  ['with a type', "MEDIA_ROOT: str = '/a'\n", '/a', true],
  ['none', "MEDIA_ROOT = ''\nOTHER_MEDIA_ROOT = '/a'\n", null, true],
  ['another one on a condition', "MEDIA_ROOT = '/a'\nif PRODUCTION:\n    MEDIA_ROOT = '/b'\n", '/a', false],
  ['the same one on a condition', "MEDIA_ROOT = '/a'\nif PRODUCTION:\n    MEDIA_ROOT = '/a'\n", '/a', true],
  ['on a condition only', "if PRODUCTION:\n    MEDIA_ROOT = '/b'\n", null, false],
  [
    'as an option of its storage',
    "MEDIA_ROOT = '/a'\nSTORAGES = {'default': {'OPTIONS': {'location': BASE_DIR / 'up'}}, 'staticfiles': {}}\n",
    'up',
    true,
  ],
  ['as an option that only Python knows', "MEDIA_ROOT = '/a'\nSTORAGES = {'default': {'OPTIONS': {'location': where()}}}\n", null, false],
  ['with another storage for the rest', "MEDIA_ROOT = '/a'\nSTORAGES = {'staticfiles': {'OPTIONS': {'location': where()}}}\n", '/a', true],
  ['compared, not set', "MEDIA_ROOT = '/a'\nassert (\nMEDIA_ROOT == '/b')\n", '/a', true],
])('MEDIA_ROOT, %s', async (_, text, path, isClear) => {
  mkdirSync(join(base, 'shop'));
  writeFileSync(join(base, 'manage.py'), "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')");
  writeFileSync(join(base, 'shop/settings.py'), text);
  expect(await readDjangoSettings(base, () => null)).toMatchObject({
    mediaRoot: path === null ? null : resolve(base, path),
    unclear: isClear ? [] : ['MEDIA_ROOT'],
  });
});

test('what settings take over from other modules is read in its place', async () => {
  mkdirSync(join(base, 'shop/settings/parts'), { recursive: true });
  writeFileSync(join(base, 'manage.py'), "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings.production')");
  const module = (name: string, text: string): void => writeFileSync(join(base, 'shop/settings', name), text);
  module(
    'production.py',
    "from .base import *\nSTATIC_ROOT = '/own'\ntry:\n    from shop.settings.local import *  # of this machine\nexcept ImportError:\n    pass\n",
  );
  module('base.py', "MEDIA_ROOT = '/base'\nSTATIC_ROOT = '/base'\nfrom .parts import *\n");
  module('parts/__init__.py', "from ..production import *\nfrom . import *\nfrom ....elsewhere import *\nMEDIA_ROOT = '/part'\n");
  expect(await readDjangoSettings(base, () => null)).toMatchObject({ mediaRoot: '/part', staticRoot: '/own', unclear: [], areThere: true });
  module('local.py', "MEDIA_ROOT = '/local'\n");
  expect(await readDjangoSettings(base, () => null)).toMatchObject({ mediaRoot: '/local', staticRoot: '/own' });
  expect(await readDjangoSettings(base, (name) => (name === 'DJANGO_SETTINGS_MODULE' ? 'shop.gone' : null))).toMatchObject({
    mediaRoot: null,
    areThere: false,
  });
});

test.each([
  ['sqlite:///db.sqlite3', { kind: 'sqlite', path: 'db.sqlite3' }],
  ['sqlite:////srv/app/db.sqlite3', { kind: 'sqlite', path: '/srv/app/db.sqlite3' }],
  [
    'postgres://u:p%40ss@db.example:5433/name?sslmode=require',
    { kind: 'postgres', host: 'db.example', port: 5433, user: 'u', database: 'name', parameters: { sslmode: 'require' } },
  ],
  ['postgresql://%2Fvar%2Frun%2Fpostgresql/name', { kind: 'postgres', host: '/var/run/postgresql', port: 5432 }],
  [
    'postgres://u:p%40ss@/name?host=/run/postgresql',
    { kind: 'postgres', host: '/run/postgresql', port: 5432, user: 'u', database: 'name' },
  ],
  ['postgres://u:p%40ss@:5433/name', { kind: 'postgres', host: 'localhost', port: 5433, user: 'u' }],
  [
    'postgres:///name?port=5434&user=v&password=p%40ss&host=h',
    { kind: 'postgres', host: 'h', port: 5434, user: 'v', parameters: { port: '5434' } },
  ],
  ['postgres://u:p%40ss@[::1]/name', { kind: 'postgres', host: '::1' }],
  ['mysql://u@h/name', { kind: 'other', scheme: 'mysql' }],
  ['postgres://u:p%40ss%00@h/name', { kind: 'unclear' }],
  ['postgres://u:p%40ss@h', { kind: 'unclear' }],
  ['postgres://u:p%40ss@h:x/name', { kind: 'unclear' }],
  ['$OTHER', { kind: 'unclear' }],
])('%s is read', (url, expected) => {
  const parsed = parseDatabaseUrl(url);
  expect(parsed).toMatchObject(expected);
  expect(JSON.stringify(parsed)).not.toContain('p@ss');
});

test('units are asked of systemd; whoever names the directory uses what lies in it, and this tool’s own are left alone', async () => {
  const folder = join(base, 'units');
  const app = join(base, 'app');
  mkdirSync(folder);
  mkdirSync(app);
  writeFileSync(join(folder, 'shop.service'), `[Service]\nWorkingDirectory=${app}\nExecStart=/usr/bin/true\n`);
  writeFileSync(join(folder, 'files.service'), `[Service]\nExecStart=/usr/bin/serve ${app}/media/\n`);
  writeFileSync(join(folder, 'other.service'), `[Service]\nExecStart=/usr/bin/serve ${app}2/media\n`);
  writeFileSync(join(folder, 'nightly.service'), `[Service]\nWorkingDirectory=${app}\nExecStart=/usr/bin/mcads-orchestrate backup\n`);
  symlinkSync('/dev/null', join(folder, 'masked.service'));
  // As releases are linked: the unit knows the link alone.
  symlinkSync('app', join(base, 'current'));
  symlinkSync('current', join(base, 'live'));
  writeFileSync(join(folder, 'linked.service'), `[Service]\nWorkingDirectory=${base}/live\nExecStart=/usr/bin/true\n`);
  writeFileSync(join(folder, 'optional.service'), `[Service]\nEnvironmentFile=-${base}/current/media/settings\nExecStart=/usr/bin/true\n`);
  writeFileSync(join(folder, 'worker@.service'), `[Service]\nExecStart=${app}/bin/work %i\n`);
  mkdirSync(join(folder, 'multi-user.target.wants'));
  symlinkSync('../worker@one.service', join(folder, 'multi-user.target.wants', 'worker@one.service'));
  // Without an answer of systemd the files alone say what there is.
  const path = process.env['PATH'];
  process.env['PATH'] = base;
  try {
    const places = [
      { id: componentId('files', 'media'), path: join(app, 'media') },
      { id: componentId('sqlite', 'db.sqlite3'), path: join(app, 'db.sqlite3') },
    ];
    const units = await findUnits(new Systemd([folder]), { directory: app, named: [], names: ['shop'], places }, NEVER);
    const own = units.filter(({ file }) => file?.startsWith(folder) === true);
    expect(own.map(({ name, uses, active }) => ({ name, uses, active }))).toEqual([
      { name: 'shop.service', uses: ['files/media', 'sqlite/db.sqlite3'], active: null },
      { name: 'files.service', uses: ['files/media'], active: null },
      { name: 'linked.service', uses: ['files/media', 'sqlite/db.sqlite3'], active: null },
      { name: 'optional.service', uses: ['files/media'], active: null },
      { name: 'worker@one.service', uses: [], active: null },
    ]);
  } finally {
    process.env['PATH'] = path;
  }
});

test('what systemctl show says is read; a unit that is not there is none', () => {
  const text =
    'Id=a.service\nLoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nFragmentPath=/etc/a.service\nTriggeredBy=a.socket\nAfter=b.service c.target\nNRestarts=2\n\nId=no.service\nLoadState=not-found\nActiveState=inactive\n';
  expect(parseShow(text)).toEqual([
    {
      name: 'a.service',
      file: '/etc/a.service',
      enabled: 'enabled',
      active: 'active',
      subState: 'running',
      restarts: 2,
      isDone: false,
      triggeredBy: ['a.socket'],
      after: ['b.service', 'c.target'],
    },
    null,
  ]);
});

test('a path is named as a whole or not at all', () => {
  expect(mentions('alias /opt/app/media/;', '/opt/app/media')).toBe(true);
  expect(mentions('alias /opt/app/media2/;', '/opt/app/media')).toBe(false);
  expect(mentions('/srv/opt/app', '/opt/app')).toBe(false);
});

test('web servers stop first, then what would start others, then whoever was started after another', () => {
  const unit = (name: string, after: readonly string[] = []) => ({
    name,
    after,
    file: null,
    enabled: null,
    active: 'active',
    subState: null,
    restarts: 0,
    isDone: false,
    triggeredBy: [],
  });
  const order = stopOrder([unit('mcads.service'), unit('worker.service', ['mcads.service']), unit('mcads.socket'), unit('nginx.service')]);
  expect(order.map(({ name }) => name)).toEqual(['nginx.service', 'mcads.socket', 'worker.service', 'mcads.service']);
});
