import { mkdir, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { extractAll, importInto, makeApplication, treeState, untar, writable } from '../support/archive-fixture.ts';
import { NEVER, readBack } from '../support/repository-fixture.ts';
import { runCommand } from '../support/run-command.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const NAME = 'mcads_system_backup_20250801_142905';

/** system_backup.sh as the MCADS documentation describes it: relative paths inside, one folder outside, names in no order. */
const SCRIPT = String.raw`
set -eu
cd app
work=$OUT/$NAME
mkdir -p "$work"
cp db.sqlite3 "$work/db.sqlite3"
for part in media staticfiles static logs data_exports models tests locale; do
  [ -d "$part" ] && tar czf "$work/$part.tar.gz" --sort=none --exclude=__pycache__ "$part"
done
tar czf "$work/config.tar.gz" nginx docker-compose.yml .env requirements.txt docker-compose.yml
tar czf "$work/app_code.tar.gz" --exclude=__pycache__ --exclude=.git mcads_project manage.py
{ uname -a; python3 --version 2>/dev/null || true; df -h /; } > "$work/system_info.txt"
cd "$OUT"
tar czf "$NAME.tar.gz" "$NAME"
rm -rf "$work"
`;

test('an archive made by a shell script written from the MCADS documentation is imported to the last bit', async () => {
  await using folder = await temporaryFolder();
  const app = join(folder.path, 'app');
  await makeApplication(app);
  const extras = String.raw`
    cd media/xrays; ln 0001.png a-second-name.png; ln 0001.png zz-third-name.png; ln -s 0001.png latest.png; ln -s ../../models/weights.bin weights
    for i in $(seq 1 200); do echo "$i" > "z$((i * 7919 % 1000)).txt"; done
    chmod 600 0002.png; touch -d '2020-02-02 02:02:02' 0002.png; mkdir empty; printf n > "ümläut with a space"
    cd ../..; mkdir -p mcads_project/__pycache__; touch mcads_project/__pycache__/x.pyc; printf 'django\n' > requirements.txt`;
  await runCommand('bash', ['-c', extras], { cwd: app });
  await runCommand('bash', ['-c', SCRIPT], { cwd: folder.path, env: { NAME, OUT: folder.path } });
  const archive = join(folder.path, `${NAME}.tar.gz`);

  const backups = join(folder.path, 'backups');
  const report = await importInto(backups, archive);
  expect(report).toMatchObject({ snapshot: NAME, isNew: true });
  await using repository = await writable(backups);
  expect(await repository.snapshots()).toMatchObject([
    { name: NAME, project: 'mcads', strategy: 'host', completeness: 'complete', startedAt: '2025-08-01T14:29:05.000Z' },
  ]);
  expect(report.manifest.components.map(({ id }) => id)).toEqual([
    'config',
    'files/app_code',
    'files/data_exports',
    'files/locale',
    'files/logs',
    'files/media',
    'files/models',
    'files/static',
    'files/staticfiles',
    'files/tests',
    'sqlite/db.sqlite3',
    'state',
  ]);
  expect(report.manifest.sealed.components['files/media']).toMatchObject({ consistency: 'archive', facts: { importedFrom: {} } });
  expect(report.manifest.sealed.findings).toEqual([]);

  // What plain tar makes of it is what extract brings.
  const plain = join(folder.path, 'plain');
  await untar(archive, plain);
  const files = await extractAll(repository, NAME, join(folder.path, 'files'));
  for (const part of ['media', 'staticfiles', 'static', 'logs', 'data_exports', 'models', 'tests', 'locale']) {
    await untar(join(plain, NAME, `${part}.tar.gz`), plain);
    expect(await treeState(join(files, 'files', part)), part).toEqual(await treeState(join(plain, part)));
  }
  const code = join(folder.path, 'code');
  await untar(join(plain, NAME, 'app_code.tar.gz'), code);
  const withoutRoot = async (path: string): Promise<string> =>
    (await treeState(path))
      .split('\n')
      .filter((line) => !line.startsWith('|'))
      .join('\n');
  expect(await withoutRoot(join(files, 'files/app_code'))).toEqual(await withoutRoot(code));
  const stored = await readBack(repository, NAME);
  expect(await readFile(join(files, 'sqlite/db.sqlite3.sqlite3'))).toEqual(await readFile(join(app, 'db.sqlite3')));
  expect(JSON.parse(stored['state']?.toString() ?? '')).toMatchObject({ systemInfo: expect.stringContaining('Linux') as string });
  const config = join(folder.path, 'config');
  await mkdir(config);
  await runCommand('tar', ['-x'], { cwd: config, input: stored['config'] ?? '' });
  expect((await readdir(join(config, 'project'))).toSorted()).toEqual(['.env', 'docker-compose.yml', 'nginx', 'requirements.txt']);
  expect(await readFile(join(config, 'project/nginx/mcads.conf'), 'utf8')).toBe('server {}\n');
  expect(JSON.parse(await readFile(join(config, 'resolved.json'), 'utf8'))).toMatchObject({ project: 'mcads' });
  expect((await repository.verify({ readData: true, signal: NEVER })).damaged).toEqual([]);
  expect(await importInto(backups, archive)).toMatchObject({ isNew: false });
});

test('what an old archive does not really hold is named, and the rest is kept', async () => {
  await using folder = await temporaryFolder();
  const script = String.raw`
    set -eu
    mkdir -p "$NAME" real/data; echo x > real/data/x; ln -s /srv/media media; echo no database > "$NAME/db.sqlite3"
    tar czf "$NAME/media.tar.gz" media
    tar czf "$NAME/logs.tar.gz" -P --transform 's,^,/opt/mcads/app/logs/,' --no-recursion real/data/x
    echo notes > "$NAME/NOTES.md"
    tar czf "$NAME.tar.gz" "./$NAME"`;
  await runCommand('bash', ['-c', script], { cwd: folder.path, env: { NAME } });
  const archive = join(folder.path, `${NAME}.tar.gz`);
  await expect(importInto(join(folder.path, 'backups'), archive)).rejects.toMatchObject({
    code: 'damaged',
    message: expect.stringContaining('/opt/mcads') as string,
  });
  await runCommand(
    'bash',
    ['-c', `tar czf $NAME/logs.tar.gz --transform 's,^,opt/mcads/app/logs/,' real/data/x; tar czf $NAME.tar.gz ./$NAME`],
    {
      cwd: folder.path,
      env: { NAME },
    },
  );
  const { manifest } = await importInto(join(folder.path, 'backups'), archive);
  expect(manifest.components.map(({ id }) => id)).toEqual(['files/logs']);
  expect(manifest.sealed).toMatchObject({
    completeness: 'partial',
    failed: [
      { id: 'files/media', reason: expect.stringContaining('/srv/media') as string },
      { id: 'sqlite/db.sqlite3', reason: expect.stringContaining('no SQLite database') as string },
    ],
    uncovered: [{ subject: 'NOTES.md' }],
  });
  await using repository = await writable(join(folder.path, 'backups'));
  const files = await extractAll(repository, NAME, join(folder.path, 'files'));
  expect(await readFile(join(files, 'files/logs/real/data/x'), 'utf8')).toBe('x\n');
});
