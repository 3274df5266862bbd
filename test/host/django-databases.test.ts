import { expect, test } from 'vitest';
import { readDatabases } from '../../src/host/django-databases.ts';
import { pathOf, scopeOf } from '../../src/host/python-path.ts';

const SQLITE = "'ENGINE': 'django.db.backends.sqlite3'";

function read(settings: string, variables: Readonly<Record<string, string>> = {}): ReturnType<typeof readDatabases> {
  return readDatabases(
    settings,
    scopeOf(settings, '/srv/app', (name) => variables[name] ?? null),
  );
}

test.each([
  [`DATABASES = {'default': {${SQLITE}, 'NAME': os.path.join(DATA_DIR, 'db.sqlite3')}}`],
  [`DATABASES = {'default': {${SQLITE}}}`],
  ["DATABASES = {'default': dj_database_url.config(conn_max_age=600)}"],
  ["DATABASES = {'default': env.db()}"],
  ["DATABASES = {'default': {'ENGINE': engine(), 'NAME': BASE_DIR / 'a'}}"],
  ["DATABASES = {}\nDATABASES['default'] = dj_database_url.parse(url)"],
  ["DATABASES: dict = {\n  # the main one {\n  'default': database_of('x', {'a': 1}),\n}\nOTHER = {}"],
])('a database that only Python can place is told as unclear: %s', (settings) => {
  expect(read(settings)).toMatchObject({ files: [], serverEngine: null, unclear: ["DATABASES['default']"] });
});

test.each([
  ["DATABASES['default']['NAME'] = '/srv/x.db'", ['/srv/x.db'], []],
  ["DATABASES['default']['NAME'] = os.environ['SQLITE_PATH']", [], ["DATABASES['default']"]],
  ["DATABASES['default']['NAME'] = os.environ['SET']", ['/set.db'], []],
  ["if CI:\n    DATABASES['default']['NAME'] = BASE_DIR / 'ci.db'", ['/srv/app/ci.db'], []],
  ["DATABASES['default'].update({'NAME': '/srv/x.db', 'CONN_MAX_AGE': 60})", ['/srv/x.db'], []],
  ["DATABASES['default'].update(NAME=where(), CONN_MAX_AGE=60)", [], ["DATABASES['default']"]],
  ["DATABASES['default'].update(dj_database_url.config(conn_max_age=500))", [], ["DATABASES['default']"]],
  ["DATABASES['default'] |= OTHERS", [], ["DATABASES['default']"]],
  ["DATABASES['default'].update({'CONN_MAX_AGE': 60})", [], []],
  ["DATABASES['default'].update({**OTHERS})", [], ["DATABASES['default']"]],
  ["DATABASES['default']['ATOMIC_REQUESTS'] = True", [], []],
  ["DATABASES['default']['TEST']['NAME'] = where()", [], []],
  ["DATABASES['default']['NAME'] == 'a'\nprint(DATABASES['default']['NAME'])", [], []],
  [`DATABASES.update(audit={${SQLITE}, 'NAME': '/srv/x.db'})`, ['/srv/x.db'], []],
  [`DATABASES |= {\n  'audit': {${SQLITE}, 'NAME': '/srv/x.db'},\n}`, ['/srv/x.db'], []],
  ['DATABASES.update(more())', [], ['DATABASES']],
  ['DATABASES.update({})', [], []],
])('what is changed behind the assignment counts: %s', (change, files, unclear) => {
  const settings = `DATABASES = {'default': {${SQLITE}, 'NAME': BASE_DIR / 'db.sqlite3'}}\n${change}\n`;
  expect(read(settings, { SET: '/set.db' })).toMatchObject({ files: ['/srv/app/db.sqlite3', ...files], unclear, serverEngine: null });
});

test('another kind of server behind the assignment', () => {
  const settings = `DATABASES = {'default': {${SQLITE}, 'NAME': 'a'}}\nDATABASES['default'].update({'ENGINE': 'django.db.backends.postgresql', 'NAME': 'shop'})\n`;
  expect(read(settings)).toMatchObject({ files: ['/srv/app/a'], serverEngine: 'postgresql' });
});

test('what is assigned as a whole, or mixed in, is unclear too', () => {
  expect(read('DATABASES = databases()').unclear).toEqual(['DATABASES']);
  expect(read(`DATABASES = {**COMMON, 'default': {${SQLITE}, 'NAME': 'a'}}`)).toMatchObject({
    files: ['/srv/app/a'],
    unclear: ['DATABASES'],
  });
});

test.each([
  ["dj_database_url.config(default='sqlite:///data/a.db')", '/srv/app/data/a.db'],
  ["dj_database_url.config(default=f'sqlite:///{BASE_DIR}/a.db', conn_max_age=600)", '/srv/app/a.db'],
  ["env.db('DATABASE_URL', default=f\"sqlite:///{BASE_DIR / 'a.db'}\")", '/srv/app/a.db'],
  ["dj_database_url.config(default='sqlite:///' + os.path.join(BASE_DIR, 'a.db'))", '/srv/app/a.db'],
  ["dj_database_url.config(env='OTHER_URL')", '/srv/app/other.db'],
])('%s is read', (call, path) => {
  expect(read(`DATABASES = {'default': ${call}}`, { OTHER_URL: 'sqlite:///other.db' })).toMatchObject({ files: [path], unclear: [] });
});

test('a DATABASE_URL that is set is what the call reads; a database in memory and none at all hold nothing', () => {
  const call = "DATABASES = {'default': dj_database_url.config()}";
  expect(read(call, { DATABASE_URL: 'sqlite:///a' })).toMatchObject({ files: [], unclear: [], usesUrl: true });
  expect(read(`DATABASES = {'default': {${SQLITE}, 'NAME': ':memory:'}}`)).toMatchObject({ files: [], unclear: [] });
  expect(read("DATABASES = {'default': {'ENGINE': 'django.db.backends.dummy'}}")).toMatchObject({ unclear: [] });
});

test('several databases, an engine with a default, and one that applies on a condition', () => {
  const settings = `DATABASES = {
  "default": {"ENGINE": os.environ.get("ENGINE", "django.db.backends.sqlite3"), "NAME": BASE_DIR / "a.db", "OPTIONS": {"timeout": 20}},
  "log": {"ENGINE": "django.db.backends.mysql", "NAME": "log"},
}
if "DATABASE_URL" in os.environ:
    DATABASES["default"] = dj_database_url.config()
`;
  expect(read(settings)).toEqual({
    files: ['/srv/app/a.db'],
    serverEngine: 'mysql',
    unclear: [],
    conditional: ["DATABASES['default']"],
    usesUrl: false,
  });
});

test.each([
  ["BASE_DIR / 'a' / 'b'", '/srv/app/a/b'],
  ['BASE_DIR', '/srv/app'],
  ["APPS_DIR / 'media'", '/srv/app/shop/media'],
  ["str(APPS_DIR / 'media')", '/srv/app/shop/media'],
  ["str(BASE_DIR) + '/up' + '/loads'", '/srv/app/up/loads'],
  ["f'{BASE_DIR}/up'", '/srv/app/up'],
  ['f"{str(APPS_DIR)}/up"', '/srv/app/shop/up'],
  ["os.path.join(APPS_DIR, 'a/', 'b')", '/srv/app/shop/a/b'],
  ["os.path.abspath(os.path.join(BASE_DIR, '..', 'b'))", '/srv/b'],
  ["Path('/data', 'b')", '/data/b'],
  ["Path('/data') / 'b'", '/data/b'],
  ["DATA / 'b'", '/var/data/b'],
  ["AROUND / 'b'", null],
  ["UNKNOWN / 'b'", null],
  ["CHOSEN / 'b'", null],
  ['BASE_DIR / name', null],
  ["BASE_DIR.parent / 'b'", null],
  ["f'{BASE_DIR}/{name}'", null],
  ['str(BASE_DIR) + name', null],
  ["''", null],
])('a path written as %s', (expression, path) => {
  const settings =
    "APPS_DIR = BASE_DIR / 'shop'\nDATA = env('DATA', default='/var/data')\nAROUND = AROUND / 'a'\nif DEBUG:\n    CHOSEN = '/c'\n";
  expect(
    pathOf(
      expression,
      scopeOf(settings, '/srv/app', () => null),
    ),
  ).toBe(path);
});
