import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { runCommand } from '../support/run-command.ts';
import { generator, text } from './data.ts';
import { OurTool } from './our-tool.ts';
import type { BenchSetup } from './setup.ts';
import { mib, table } from './table.ts';

const MODULES = join(import.meta.dirname, '../../node_modules');

/** What the MCADS application keeps besides images and weights: its documentation promises 60 to 80 % less for these. */
const KINDS: Readonly<Record<string, (folder: string, bytes: number) => Promise<void>>> = {
  text: async (folder, bytes) => {
    const random = generator(21);
    for (let made = 0, file = 0; made < bytes; made += 20_000, file += 1)
      await writeFile(join(folder, `log-${file}.txt`), text(random, 20_000));
  },
  css: (folder, bytes) => copyKind(folder, 'css', bytes),
  js: (folder, bytes) => copyKind(folder, 'js', bytes),
  sqlite: async (folder, bytes) => {
    const random = generator(22);
    using database = new DatabaseSync(join(folder, 'db.sqlite3'));
    database.exec('create table audit (id integer primary key, at text, who text, what text); begin');
    const insert = database.prepare('insert into audit (at, who, what) values (?, ?, ?)');
    for (let row = 0; row < bytes / 150; row += 1)
      insert.run(new Date(1.7e12 + row * 17_000).toISOString(), `user-${row % 97}`, text(random, 90).toString());
    database.exec('commit');
  },
};

/** Stored size of each kind beside its size, through a whole backup of a volume with nothing else in it. */
export async function benchExampleKinds(setup: BenchSetup): Promise<void> {
  const rows = [['', 'files', 'stored', 'smaller by']];
  for (const [kind, write] of Object.entries(KINDS)) {
    await using our = await OurTool.open(setup, `${setup.name}${kind}`);
    const tree = await our.createVolume();
    await write(tree, setup.of(20e6));
    const place = join(setup.directory, `kind-${kind}`);
    await mkdir(place);
    await our.backup(place);
    const [plain, stored] = await Promise.all([sizeOf(tree), sizeOf(join(place, 'repository', 'chunks'))]);
    rows.push([kind, mib(plain), mib(stored), `${((1 - stored / plain) * 100).toFixed(0)} %`]);
  }
  setup.say('\nkinds of files of the MCADS example');
  setup.say(table(rows));
}

/** Files of that ending from this project's own packages, the same for the same lock file; style sheets are few, so they are made where they lack. */
async function copyKind(folder: string, ending: string, bytes: number): Promise<void> {
  const { stdout } = await runCommand('find', [`${MODULES}/`, '/usr/share', '-name', `*.${ending}`, '-type', 'f', '-size', '-1024k']);
  let made = 0;
  for (const [at, path] of stdout.trim().split('\n').toSorted().entries()) {
    if (made >= bytes || path === '') break;
    const content = await readFile(path);
    await writeFile(join(folder, `${at}.${ending}`), content);
    made += (await stat(path)).size;
  }
  if (made === 0) throw new Error(`no *.${ending} on this machine`);
}

async function sizeOf(folder: string): Promise<number> {
  const { stdout } = await runCommand('sh', [
    '-c',
    `find "$1" -type f -printf '%s\\n' | awk '{ n += $1 } END { print n + 0 }'`,
    'sh',
    folder,
  ]);
  return Number(stdout);
}
