import { describe, expect, test } from 'vitest';
import { projectFolder } from './project-folder.ts';

describe('the model of a project', () => {
  test('holds what a backup needs of a service', async () => {
    await using project = await projectFolder({
      'compose.yaml': `
services:
  db:
    image: postgres:17
    container_name: the-db
    labels: {mcads.engine: postgres}
    environment: {POSTGRES_DB: app, PASSED: , FROM_FILE: own}
    env_file: db.env
    volumes: [data:/var/lib/data, ./conf:/conf:ro, /anonymous, {type: volume, source: data, target: /sub, volume: {subpath: a/b}}]
    tmpfs: /run:size=1m
    secrets: [password]
    configs: [{source: settings, target: /etc/settings}]
    x-mcads: {quiesce: stop}
  helper:
    build: .
    profiles: [tools]
    volumes_from: ["db:ro"]
    volumes: [other:/conf]
    deploy: {replicas: 3}
    links: [db]
volumes:
  data: {driver: local, driver_opts: {type: nfs, device: ":/x"}, labels: {mcads.exclude: cache}}
  other: {external: true, name: theirs}
secrets: {password: {environment: DB_PASSWORD}}
configs: {settings: {file: ./settings.conf}}
x-mcads: {keep: {last: 3}}
`,
      'db.env': 'FROM_FILE=file\nONLY_FILE=1\n',
    });
    const model = await project.load({ environment: { PASSED: 'on', DB_PASSWORD: 'secret', UNRELATED: 'x' } });
    expect(model).toMatchObject({
      name: 'shop',
      nameFrom: 'directory',
      workingDirectory: project.path,
      extensions: { 'x-mcads': { keep: { last: 3 } } },
    });
    expect(model.services['db']).toEqual({
      name: 'db',
      image: 'postgres:17',
      built: false,
      active: true,
      profiles: [],
      mounts: [
        { type: 'tmpfs', target: '/run' },
        { type: 'volume', source: 'data', target: '/var/lib/data', readOnly: false, subpath: null },
        { type: 'bind', source: `${project.path}/conf`, target: '/conf', readOnly: true },
        { type: 'volume', source: null, target: '/anonymous', readOnly: false, subpath: null },
        { type: 'volume', source: 'data', target: '/sub', readOnly: false, subpath: 'a/b' },
      ],
      labels: { 'mcads.engine': 'postgres' },
      environment: { FROM_FILE: 'own', ONLY_FILE: '1', POSTGRES_DB: 'app', PASSED: 'on' },
      dependsOn: {},
      secrets: [{ source: 'password', target: '/run/secrets/password' }],
      configs: [{ source: 'settings', target: '/etc/settings' }],
      containerName: 'the-db',
      replicas: 1,
      extensions: { 'x-mcads': { quiesce: 'stop' } },
    });
    expect(model.services['helper']).toMatchObject({ built: true, active: false, profiles: ['tools'], replicas: 3 });
    expect(model.services['helper']?.dependsOn).toEqual({ db: { condition: 'service_started', restart: true, required: true } });
    expect(model.services['helper']?.mounts).toEqual([
      { type: 'tmpfs', target: '/run' },
      { type: 'volume', source: 'data', target: '/var/lib/data', readOnly: true, subpath: null },
      { type: 'volume', source: 'other', target: '/conf', readOnly: false, subpath: null },
      { type: 'volume', source: null, target: '/anonymous', readOnly: true, subpath: null },
      { type: 'volume', source: 'data', target: '/sub', readOnly: true, subpath: 'a/b' },
    ]);
    expect(model.volumes).toEqual({
      data: {
        key: 'data',
        name: 'shop_data',
        external: false,
        driver: 'local',
        driverOptions: { type: 'nfs', device: ':/x' },
        labels: { 'mcads.exclude': 'cache' },
      },
      other: { key: 'other', name: 'theirs', external: true, driver: null, driverOptions: {}, labels: {} },
    });
    expect(model.secrets['password']).toMatchObject({ environment: 'DB_PASSWORD', file: null });
    expect(model.environmentUsed).toEqual({ PASSED: 'on', DB_PASSWORD: 'secret' });
  });

  test('lists every file that a capture of the configuration needs', async () => {
    await using project = await projectFolder({
      'compose.yaml': `
include: [part/compose.yaml]
services:
  web:
    extends: {file: base/base.yaml, service: web}
    env_file: [web.env, {path: maybe.env, required: false}]
    label_file: web.labels
    build: {context: ./src, dockerfile: ../Dockerfile}
configs: {c: {file: c.conf}}
secrets: {s: {file: ~/s.txt}}
`,
      'compose.override.yaml': 'services: {web: {image: w}}',
      '.env': 'A=1\n',
      'web.env': '',
      'web.labels': '',
      'part/compose.yaml': 'services: {part: {image: p}}',
      'part/.env': '',
      'base/base.yaml': 'services: {web: {env_file: base.env}}',
      'base/base.env': '',
    });
    const model = await project.load();
    const listed = model.referencedFiles.map(
      ({ path, role, required }) => `${role} ${path.replace(`${project.path}/`, '')}${required ? '' : '?'}`,
    );
    expect(listed.toSorted()).toEqual(
      [
        'compose compose.override.yaml',
        'compose compose.yaml',
        'config c.conf',
        'dockerfile Dockerfile',
        'dockerfile Dockerfile.dockerignore?',
        'dockerfile src/.dockerignore?',
        'dotenv .env',
        'dotenv part/.env',
        'env_file base/base.env',
        'env_file maybe.env?',
        'env_file web.env',
        'extends base/base.yaml',
        'include part/compose.yaml',
        'label_file web.labels',
        'secret /home/h/s.txt',
      ].toSorted(),
    );
  });

  test('services of inactive profiles are there, and what is wrong with them is a warning', async () => {
    await using project = await projectFolder({
      'compose.yaml':
        'services:\n  a: {image: a}\n  b: {profiles: [p], volumes: ["nowhere:/x"], image: b}\n  c: {profiles: [q], image: c, env_file: missing.env}\n',
    });
    const model = await project.load({ environment: { COMPOSE_PROFILES: 'x, y' } });
    expect(Object.values(model.services).map(({ name, active }) => [name, active])).toEqual([
      ['a', true],
      ['b', false],
      ['c', false],
    ]);
    expect(model.findings.map(({ code, severity, subject }) => `${severity} ${code} ${subject}`)).toEqual([
      'warning inactive-service b',
      'warning inactive-service c',
    ]);
    await expect(project.load({ profiles: ['p'] })).rejects.toThrow(/refers to undefined volume nowhere/);
    await expect(project.load({ profiles: ['*'] })).rejects.toThrow(/undefined volume nowhere\n.*missing\.env does not exist/s);
  });

  test('a service that is not started closes no dependency cycle', async () => {
    await using project = await projectFolder({
      'compose.yaml':
        'services:\n  a: {image: a, depends_on: {b: {condition: service_started, required: false}}}\n  b: {image: b, profiles: [p], depends_on: [a]}\n',
    });
    expect(Object.keys((await project.load()).services)).toEqual(['a', 'b']);
    await expect(project.load({ profiles: ['p'] })).rejects.toThrow(/dependency cycle: a → b → a/);
  });

  test('warns of unset variables, several default files and an obsolete version, once each', async () => {
    await using project = await projectFolder({
      'compose.yaml': 'version: "3"\nservices:\n  web: {image: "a:${TAG}${TAG}", labels: [a=$OTHER]}\n',
      'docker-compose.yml': 'services: {}',
    });
    const model = await project.load();
    expect(model.findings.map(({ code, subject }) => [code, subject.replace(`${project.path}`, '.')])).toEqual([
      ['several-compose-files', '.'],
      ['variable-unset', 'TAG'],
      ['variable-unset', 'OTHER'],
      ['version-obsolete', './compose.yaml'],
    ]);
    expect(model.findings[1]?.message).toContain('compose.yaml:3:16');
  });

  test('keys that only newer versions of Compose know are accepted', async () => {
    await using project = await projectFolder({
      'compose.yaml': `
models: {llm: {model: ai/x}}
services:
  ai: {provider: {type: model, options: {a: 1}}}
  web:
    image: x
    use_api_socket: true
    models: {llm: {endpoint_var: URL}}
    env_file: [{path: raw.env, format: raw}]
    volumes: [{type: image, source: img, target: /i, image: {subpath: s}}]
    build: {context: ., provenance: mode=max, sbom: true}
`,
      'raw.env': 'QUOTED="kept" # too\nDOLLAR=$HOME\n',
    });
    const model = await project.load();
    expect(model.services['web']?.environment).toEqual({ QUOTED: '"kept" # too', DOLLAR: '$HOME' });
    expect(model.services['web']?.mounts).toEqual([{ type: 'other', kind: 'image', source: 'img', target: '/i', readOnly: false }]);
  });

  test('an included resource that is also defined here is merged, and this file wins', async () => {
    await using project = await projectFolder({
      'compose.yaml': 'include: [part.yaml]\nservices:\n  web: {image: mine, environment: {B: "2"}, ports: !override ["2:2"]}\n',
      'part.yaml': 'services:\n  web: {image: theirs, environment: {A: "1"}, ports: ["1:1"]}\n',
    });
    const model = await project.load();
    expect(model.services['web']).toMatchObject({ image: 'mine', environment: { A: '1', B: '2' } });
    expect(model.document).toMatchObject({ services: { web: { ports: [{ target: 2 }] } } });
  });

  test('!reset in an anchor counts where the anchor is used', async () => {
    await using project = await projectFolder({
      'compose.yaml': 'services:\n  a: {image: a, ports: ["1:1"], labels: {l: 1}}\n',
      'compose.override.yaml': 'x-quiet: &quiet {ports: !reset []}\nservices:\n  a: {<<: *quiet, labels: !reset null}\n',
    });
    const model = await project.load();
    expect(model.document).toMatchObject({ services: { a: { image: 'a' } } });
    expect(model.document).not.toHaveProperty('services.a.ports');
    expect(model.services['a']?.labels).toEqual({});
  });

  test('the project name that a rule gives is told with its rule', async () => {
    await using project = await projectFolder({ 'compose.yaml': 'name: "From ${X:-File}"\nservices: {}\n', '.env': 'ENV_NAME=1\n' });
    expect(await project.load()).toMatchObject({ name: 'fromfile', nameFrom: 'file' });
    expect(await project.load({ environment: { COMPOSE_PROJECT_NAME: 'env' } })).toMatchObject({ name: 'env', nameFrom: 'environment' });
    expect(await project.load({ projectName: 'flag', environment: { COMPOSE_PROJECT_NAME: 'env' } })).toMatchObject({
      name: 'flag',
      nameFrom: 'flag',
    });
    await expect(project.load({ projectName: 'Not Normal' })).rejects.toMatchObject({
      code: 'config',
      hint: 'use --project-name notnormal',
    });
  });
});

describe('what cannot be loaded', () => {
  test('a directory without Compose files is told apart from a broken project', async () => {
    await using project = await projectFolder({ 'readme.txt': '' });
    await expect(project.load()).rejects.toMatchObject({ code: 'nothing-found' });
    await expect(project.load({ files: ['nowhere.yaml'] })).rejects.toMatchObject({ code: 'config' });
  });

  test.for([
    ['https://example.com/compose.yaml', 'web address'],
    ['https://github.com/a/b.git#main:dir', 'Git repository'],
    ['git@github.com:a/b.git', 'Git repository'],
    ['oci://docker.io/a/b:1', 'OCI artifact'],
  ] as const)('%s is refused with what to do instead', async ([reference, kind]) => {
    await using project = await projectFolder({
      'include.yaml': `include: ["${reference}"]\nservices: {}\n`,
      'extends.yaml': `services:\n  a: {extends: {file: "${reference}", service: a}}\n`,
    });
    const refused = { code: 'config', hint: expect.stringMatching(/download it/) };
    await expect(project.load({ files: ['include.yaml'] })).rejects.toMatchObject({
      ...refused,
      where: expect.stringMatching(/include\.yaml:1:11$/),
    });
    await expect(project.load({ files: ['extends.yaml'] })).rejects.toMatchObject({ ...refused, message: expect.stringContaining(kind) });
    await expect(project.load({ files: [reference] })).rejects.toMatchObject(refused);
    await expect(project.load({ environment: { COMPOSE_FILE: reference } })).rejects.toMatchObject(refused);
  });

  test('a file in another encoding is refused instead of read with replaced characters', async () => {
    await using project = await projectFolder({ 'compose.yaml': Buffer.from('services: {w\xfcb: {image: x}}', 'latin1') });
    await expect(project.load()).rejects.toMatchObject({
      code: 'config',
      message: expect.stringMatching(/compose\.yaml is not UTF-8 text/),
    });
  });

  test('an env file may be missing only where that is written, as a boolean or as its word', async () => {
    const compose = (required: string): string => `services: {web: {image: x, env_file: [{path: missing.env, required: ${required}}]}}`;
    await using project = await projectFolder({ 'a.yaml': compose('"false"'), 'b.yaml': compose('"true"'), 'c.yaml': compose('no') });
    await expect(project.load({ files: ['a.yaml'] })).resolves.toHaveProperty('services.web.environment', {});
    await expect(project.load({ files: ['b.yaml'] })).rejects.toThrow(/missing\.env does not exist/);
    await expect(project.load({ files: ['c.yaml'] })).resolves.toHaveProperty('services.web.image', 'x');
  });

  test('a misspelt key comes with the key that was meant', async () => {
    await using project = await projectFolder({ 'compose.yaml': 'services:\n  web:\n    image: x\n    enviroment: {A: 1}\n' });
    await expect(project.load()).rejects.toMatchObject({ hint: 'did you mean environment?' });
  });

  test('a file that may not be read names itself', async () => {
    await using project = await projectFolder({ 'compose.yaml/not-a-file': '' });
    await expect(project.load()).rejects.toMatchObject({
      code: 'config',
      message: expect.stringMatching(/compose\.yaml cannot be read: it is a directory/),
    });
  });
});
