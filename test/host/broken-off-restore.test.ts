import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Finding } from '../../src/domain/finding.ts';
import { HostApp, substituteSystemd } from '../support/host-app.ts';
import { startCli } from '../support/paced-cli.ts';
import { MAIN } from '../support/run-cli.ts';
import { runCommand } from '../support/run-command.ts';

let app: HostApp;
let systemd: ReturnType<typeof substituteSystemd>;
beforeEach(async () => {
  app = await HostApp.create();
  systemd = substituteSystemd(app, { 'mcads.service': 'active' });
}, 120_000);
afterEach(async () => app[Symbol.asyncDispose]());

/** A program that waits where its arguments match, once, until it is let through. */
class Gate {
  readonly #fifo: string;
  readonly #reached: string;

  private constructor(fifo: string) {
    this.#fifo = fifo;
    this.#reached = `${fifo}.reached`;
  }

  static async before(program: string, matching: string, when: 'before' | 'after' = 'before'): Promise<Gate> {
    const found = (await runCommand('sh', ['-c', `command -v ${program}`], { env: app.env })).stdout.trim();
    const real = join(app.base, `${program}.real`);
    if (found.startsWith(app.bin)) renameSync(found, real);
    const run = found.startsWith(app.bin) ? real : found;
    const fifo = join(app.base, `${program}.gate`);
    await runCommand('mkfifo', [fifo]);
    const wait = `mkdir "${fifo}.reached" 2>/dev/null && read -r line < "${fifo}"`;
    const body = when === 'before' ? `${wait}; exec "${run}" "$@"` : `"${run}" "$@"; code=$?; ${wait}; exit $code`;
    app.program(program, `#!/bin/sh\ncase "$*" in ${matching}) ${body} ;; esac\nexec "${run}" "$@"\n`);
    return new Gate(fifo);
  }

  async reached(): Promise<void> {
    while (!existsSync(this.#reached)) await new Promise((resolve) => setImmediate(resolve));
  }

  /** The pipe may be waited at by a process whose parent is dead. */
  open(): void {
    writeFileSync(this.#fifo, 'go\n');
  }
}

/** A restore that is killed at the gate; what waits there goes on alone. */
async function killedAt(gate: Gate, args: readonly string[] = ['restore', 'latest', '--yes']): Promise<void> {
  const running = startCli(args, { cwd: app.directory, env: app.env });
  await gate.reached();
  running.signal('SIGKILL');
  await running.end;
  gate.open();
}

const media = (name: string): string => join(app.directory, 'media', name);
const read = (name: string): string => readFileSync(join(app.directory, name), 'utf8');
const stateFolder = (): string => join(app.directory, '.mcads-restore-state');

function findingsOf(json: Readonly<Record<string, unknown>>): readonly Finding[] {
  return json['findings'] as readonly Finding[]; // the contract of --json
}

test('killed in the build: what the application put into a folder that was missing stays, and no service is touched', async () => {
  await app.run(['backup', '--no-prune']);
  rmSync(join(app.directory, 'media'), { recursive: true });
  await killedAt(await Gate.before('tar', '*--extract*'), ['restore', 'latest', '--component', 'files/media', '--yes']);
  expect(existsSync(join(app.directory, 'media'))).toBe(true);
  writeFileSync(media('upload.txt'), 'of a user');
  await app.run(['list']);
  expect(readdirSync(join(app.directory, 'media'))).toEqual(['upload.txt']);
  expect(readdirSync(app.directory).filter((name) => name.startsWith('.mcads-restore-'))).toEqual([]);
  expect(systemd.calls()).toEqual(['']);

  rmSync(join(app.directory, 'media'), { recursive: true });
  rmSync(join(app.base, 'tar.gate.reached'), { recursive: true });
  const running = startCli(['restore', 'latest', '--component', 'files/media', '--yes'], { cwd: app.directory, env: app.env });
  while (!existsSync(join(app.base, 'tar.gate.reached'))) await new Promise((resolve) => setImmediate(resolve));
  running.signal('SIGINT');
  writeFileSync(join(app.base, 'tar.gate'), 'go\n', { flag: 'r+' });
  expect((await running.end).code).toBe(130);
  expect(existsSync(join(app.directory, 'media'))).toBe(false); // nobody put anything into it
});

test('killed when all was proven and services ran again: it is finished, and what was written since stays', async () => {
  await app.run(['backup', '--no-prune']);
  const models = read('xrays/models.py');
  app.write('xrays/models.py', 'changed = True\n');
  await killedAt(await Gate.before('systemctl', 'start*', 'after'));
  expect(systemd.stateOf('mcads.service')).toBe('active');
  writeFileSync(media('upload.txt'), 'of a user');
  const database = new DatabaseSync(join(app.directory, 'db.sqlite3'));
  database.exec('create table since(a); insert into since values (1)');
  database.close();

  const next = await app.run(['backup', '--no-prune']);
  expect(findingsOf(next)).toContainEqual(
    expect.objectContaining({ message: expect.stringMatching(/was proven, so it is brought to its end; `rollback` goes back/) as string }),
  );
  expect(read('xrays/models.py')).toBe(models);
  expect(readFileSync(media('upload.txt'), 'utf8')).toBe('of a user');
  const again = new DatabaseSync(join(app.directory, 'db.sqlite3'), { readOnly: true });
  expect(again.prepare('select count(*) as n from since').get()).toEqual({ n: 1 });
  again.close();
  expect(systemd.stateOf('mcads.service')).toBe('active');

  await app.run(['rollback', '--yes']);
  expect(read('xrays/models.py')).toBe('changed = True\n');
  expect(systemd.stateOf('mcads.service')).toBe('active');
});

test('killed in the swap: what cannot be stopped keeps its files, what cannot be put back is told by a backup that is partial, and nothing is started on it', async () => {
  await app.run(['backup', '--no-prune']);
  app.write('xrays/models.py', 'changed = True\n');
  const gate = await Gate.before('mv', '*-t*', 'after');
  await killedAt(gate);
  expect(existsSync(join(stateFolder(), 'journal.json'))).toBe(true);

  // Somebody has started it meanwhile, and it does not stop.
  await runCommand(join(app.bin, 'systemctl'), ['start', '--', 'mcads.service']);
  const systemctl = readFileSync(join(app.bin, 'systemctl'), 'utf8');
  app.program('systemctl', systemctl.replace('stop) ', 'stop) exit 1; '));
  const mixture = readdirSync(app.directory).toSorted();
  const stuck = await app.run(['recover'], 3);
  expect(findingsOf(stuck)).toContainEqual(
    expect.objectContaining({ message: expect.stringContaining('mcads.service cannot be stopped') as string }),
  );
  expect(readdirSync(app.directory).toSorted()).toEqual(mixture);
  app.program('systemctl', systemctl);

  const mv = readFileSync(join(app.bin, 'mv'), 'utf8');
  app.program('mv', mv.replace('#!/bin/sh', '#!/bin/sh\ncase "$*" in *--version*) ;; *) exit 1 ;; esac'));
  const made = await app.run(['backup', '--no-prune'], 3);
  expect(made).toMatchObject({ snapshot: { completeness: 'partial' } });
  expect(findingsOf(made)).toContainEqual(expect.objectContaining({ severity: 'error', code: 'not-undone' }));
  expect(systemd.stateOf('mcads.service')).toBe('inactive');

  app.program('mv', mv);
  await app.run(['recover']);
  expect(read('xrays/models.py')).toBe('changed = True\n');
  expect(systemd.stateOf('mcads.service')).toBe('active');
  expect(existsSync(stateFolder())).toBe(false);
});

test('a rollback that was killed and finished by another command is done: there is nothing more to go back to', async () => {
  await app.run(['backup', '--no-prune']);
  app.write('xrays/models.py', 'changed = True\n');
  await app.run(['restore', 'latest', '--yes']);
  await killedAt(await Gate.before('systemctl', 'stop*'), ['rollback', '--yes']);
  await app.run(['list']);
  expect(read('xrays/models.py')).toBe('changed = True\n');
  expect(systemd.stateOf('mcads.service')).toBe('active');
  await app.run(['rollback', '--yes'], 2);
});

test('a rollback that cannot stop a unit puts nothing back, and what it had stopped runs again', async () => {
  await runCommand('sh', ['-c', `echo active > "${join(app.base, 'units/nginx.service')}"`]);
  await app.run(['backup', '--no-prune']);
  app.write('xrays/models.py', 'changed = True\n');
  await app.run(['restore', 'latest', '--yes']);
  const restored = read('xrays/models.py');
  const systemctl = readFileSync(join(app.bin, 'systemctl'), 'utf8');
  app.program('systemctl', systemctl.replace('stop) ', 'stop) case "$2" in mcads*) exit 1 ;; esac; '));
  const refused = await app.run(['rollback', '--yes'], 1);
  expect(refused['error']).toMatchObject({
    message: expect.stringMatching(/^nothing was put back: .*mcads\.service cannot be stopped/) as string,
  });
  expect(read('xrays/models.py')).toBe(restored);
  expect([systemd.stateOf('nginx.service'), systemd.stateOf('mcads.service')]).toEqual(['active', 'active']);
  app.program('systemctl', systemctl);
  await app.run(['rollback', '--yes']);
  expect(read('xrays/models.py')).toBe('changed = True\n');
});

test('a restore that is under way is not taken for a dead one in another network namespace', async () => {
  await app.run(['backup', '--no-prune']);
  app.write('xrays/models.py', 'changed = True\n');
  const gate = await Gate.before('tar', '*--extract*');
  const running = startCli(['restore', 'latest', '--yes'], { cwd: app.directory, env: app.env });
  await gate.reached();
  await runCommand('unshare', ['-n', process.execPath, MAIN, 'list'], { cwd: app.directory, env: app.env });
  expect(existsSync(join(stateFolder(), 'journal.json'))).toBe(true);
  gate.open();
  const { code, stderr } = await running.end;
  expect(code, stderr).toBe(0);
  expect(read('xrays/models.py')).not.toContain('changed');
});

test('what another user has written down is not followed', async () => {
  await app.run(['backup', '--no-prune']);
  const victim = join(app.base, 'victim');
  mkdirSync(victim);
  writeFileSync(join(victim, 'file'), 'of root');
  mkdirSync(stateFolder(), { mode: 0o700 });
  const place = { mount: { type: 'bind', hostPath: victim }, singleFile: null };
  const none = { containers: [], networks: [], volumes: [] };
  const journal = {
    format: 1,
    run: '0123456789ab',
    project: 'mcads',
    snapshot: 'x',
    startedAt: '2026-01-01T00:00:00Z',
    users: [],
    running: [],
    databases: [],
    roles: [],
    files: [{ path: join(victim, 'file'), kept: join(app.directory, 'manage.py') }],
    trees: [{ component: 'files/media', place, createdFrom: victim }],
    created: none,
  };
  writeFileSync(join(stateFolder(), 'journal.json'), JSON.stringify(journal));
  chownSync(join(stateFolder(), 'journal.json'), 12345, 12345);
  chownSync(stateFolder(), 12345, 12345);
  const made = await app.run(['backup', '--no-prune'], 3);
  expect(findingsOf(made)).toContainEqual(
    expect.objectContaining({
      severity: 'error',
      message: expect.stringContaining('belongs to another user (12345): what it says is not followed') as string,
    }),
  );
  await app.run(['restore', 'latest', '--yes'], 1);
  expect(readFileSync(join(victim, 'file'), 'utf8')).toBe('of root');
  // What another user only keeps is in nobody's way.
  renameSync(join(stateFolder(), 'journal.json'), join(stateFolder(), 'kept-0.json'));
  await app.run(['backup', '--no-prune']);
  renameSync(join(stateFolder(), 'kept-0.json'), join(stateFolder(), 'journal.json'));
  chownSync(stateFolder(), 0, 0);
  chmodSync(stateFolder(), 0o777);
  await app.run(['restore', 'latest', '--yes'], 1);
  expect(readFileSync(join(victim, 'file'), 'utf8')).toBe('of root');
});

test('a configuration file that somebody writes while a restore builds is theirs: not replaced, and not taken away by the undo', async () => {
  await app.run(['backup', '--no-prune']);
  const recorded = read('.env');
  rmSync(join(app.directory, '.env'));
  const gate = await Gate.before('tar', '*--extract*');
  await killedAt(gate);
  app.write('.env', 'SECRET=mine\n');
  await app.run(['recover']);
  expect(read('.env')).toBe('SECRET=mine\n');

  rmSync(join(app.directory, '.env'));
  rmSync(join(app.base, 'tar.gate.reached'), { recursive: true });
  const running = startCli(['restore', 'latest', '--yes'], { cwd: app.directory, env: app.env });
  await gate.reached();
  app.write('.env', 'SECRET=mine\n');
  gate.open();
  const { code, stderr } = await running.end;
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(/\.env: it was missing when the restore was planned and has been written since/);
  expect(read('.env')).toBe('SECRET=mine\n');
  await app.run(['rollback', '--yes']);
  expect(read('.env')).toBe('SECRET=mine\n');

  rmSync(join(app.directory, '.env'));
  await app.run(['restore', 'latest', '--yes']);
  expect(read('.env')).toBe(recorded);
  await app.run(['rollback', '--yes']);
  expect(existsSync(join(app.directory, '.env'))).toBe(false);
});

test.each(['with', 'without'])(
  'what has been mounted since in what a restore brought is neither moved nor emptied (%s the programs of GNU)',
  async (programs) => {
    const share = join(app.base, 'share of others');
    mkdirSync(share);
    writeFileSync(join(share, 'precious.txt'), 'theirs');
    if (programs === 'without') app.program('tar', '#!/bin/sh\necho bsdtar 3.7\n');
    const mounted = (at: string, args: readonly string[]): ReturnType<typeof runCommand> =>
      runCommand(
        'unshare',
        ['-m', 'sh', '-c', 'mount --bind "$1" "$2" && shift 2 && exec "$@"', 'sh', share, at, process.execPath, MAIN, ...args],
        { cwd: app.directory, env: app.env, accept: 'any' },
      );
    await app.run(['backup', '--no-prune']);
    await app.run(['restore', 'latest', '--yes']);
    const place = media('shares/a place');
    mkdirSync(place, { recursive: true });
    const refused = await mounted(place, ['rollback', '--yes']);
    expect(refused.stderr).toMatch(/files\/media.* cannot be put back: something has been mounted at shares\/a place in it since/);
    expect(refused.code).toBe(1);
    expect(systemd.stateOf('mcads.service')).toBe('active');
    expect(readFileSync(join(share, 'precious.txt'), 'utf8')).toBe('theirs');
    await app.run(['rollback', '--yes']);
    expect(existsSync(place)).toBe(false);

    // Kept aside with something mounted in it: it is not cleared away either.
    await app.run(['restore', 'latest', '--yes']);
    const [staging = ''] = readdirSync(join(app.directory, 'media')).filter((name) => name.startsWith('.mcads-restore-'));
    mkdirSync(media(`${staging}/old/place`));
    const told = await mounted(media(`${staging}/old/place`), ['restore', 'latest', '--yes']);
    expect(told.stderr).toMatch(/cannot be cleared of what a restore left: something has been mounted at/);
    expect(readFileSync(join(share, 'precious.txt'), 'utf8')).toBe('theirs');
  },
);

test('killed in the swap: where its folder is not mounted it is not taken for undone', async () => {
  await app.run(['backup', '--no-prune']);
  app.write('media/own.txt', 'of before');
  app.write('xrays/models.py', 'changed = True\n');
  await killedAt(await Gate.before('mv', '*own.txt*', 'after'));
  renameSync(join(app.directory, 'media'), join(app.base, 'the disk'));
  mkdirSync(join(app.directory, 'media'));
  const stuck = await app.run(['recover'], 3);
  expect(findingsOf(stuck)).toContainEqual(
    expect.objectContaining({
      message: expect.stringMatching(/media is not the folder that was restored, and nothing of that is in it/) as string,
    }),
  );
  rmSync(join(app.directory, 'media'), { recursive: true });
  const missing = await app.run(['recover'], 3);
  expect(findingsOf(missing)).toContainEqual(
    expect.objectContaining({
      message: expect.stringContaining('media is not there, so what was restored in it cannot be put back') as string,
    }),
  );
  renameSync(join(app.base, 'the disk'), join(app.directory, 'media'));
  await app.run(['recover']);
  expect(read('media/own.txt')).toBe('of before');
  expect(read('xrays/models.py')).toBe('changed = True\n');
  expect(readdirSync(join(app.directory, 'media')).filter((name) => name.startsWith('.mcads-restore-'))).toEqual([]);
  expect(systemd.stateOf('mcads.service')).toBe('active');
});

test('killed in the swap, and written to by services that somebody started since: the old state comes back, and what was written is kept beside', async () => {
  await app.run(['backup', '--no-prune']);
  app.write('media/own.txt', 'of before');
  app.write('xrays/models.py', 'changed = True\n');
  await killedAt(await Gate.before('systemctl', 'start*'));
  expect(existsSync(media('own.txt'))).toBe(false);
  writeFileSync(media('upload.txt'), 'of a user');
  const journal = join(stateFolder(), 'journal.json');
  const written = JSON.parse(readFileSync(journal, 'utf8')) as Record<string, unknown>; // ours
  // As if it had been killed a moment earlier, before it had written down that all was proven.
  delete written['proven'];
  writeFileSync(journal, JSON.stringify(written));
  const recovered = await app.run(['recover']);
  expect(JSON.stringify(recovered)).toMatch(
    /files\/media had been written to after the restore died: all that it held is in (\S+-since) of/,
  );
  expect(readFileSync(media('own.txt'), 'utf8')).toBe('of before');
  const [since = ''] = readdirSync(join(app.directory, 'media')).filter((name) => name.endsWith('-since'));
  expect(readFileSync(media(`${since}/upload.txt`), 'utf8')).toBe('of a user');
  expect(readdirSync(join(app.directory, 'xrays')).filter((name) => name.endsWith('-since'))).toEqual([]);
  expect(read('xrays/models.py')).toBe('changed = True\n');
  const files = await app.run(['backup', '--no-prune']);
  expect(JSON.stringify(files)).not.toContain('upload.txt');
});
