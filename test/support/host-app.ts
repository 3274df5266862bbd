import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { runJson } from './run-cli.ts';
import { runCommand } from './run-command.ts';

const EXAMPLE = join(import.meta.dirname, '../../compose/examples/mcads-host');

/** Memory where there is some: nothing here is about the disk, and a busy one makes every flush slow. */
export function fastFolder(prefix: string): string {
  return mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), prefix));
}

/** The sample application on a machine without Docker, seeded, with nothing of this machine's own units. */
export class HostApp implements AsyncDisposable {
  readonly base = fastFolder('mcads-host-');
  readonly directory = join(this.base, 'app');
  /** Programs that come before all others. */
  readonly bin = join(this.base, 'bin');
  readonly env: Record<string, string>;

  private constructor(path: string) {
    mkdirSync(this.bin);
    mkdirSync(join(this.base, 'home'));
    this.env = {
      PATH: `${this.bin}:${path}`,
      HOME: join(this.base, 'home'),
      // Whatever engine this machine may have: its default socket cannot be taken away from here.
      MCADS_STRATEGY: 'host',
      DOCKER_HOST: '',
      DOCKER_CONTEXT: '',
      XDG_RUNTIME_DIR: '',
    };
  }

  static async create(path = process.env['PATH'] ?? ''): Promise<HostApp> {
    const app = new HostApp(path);
    cpSync(EXAMPLE, app.directory, { recursive: true, filter: (source) => !/\/(?:backups|logs|db\.sqlite3.*|__pycache__)$/.test(source) });
    await runCommand('python3', ['seed.py'], { cwd: app.directory });
    return app;
  }

  /** With little data and no unit that runs: for what a command does, not how much. */
  static async createSmall(): Promise<HostApp> {
    const app = await HostApp.create();
    substituteSystemd(app, {});
    for (const part of ['media', 'models', 'staticfiles', 'data_exports'])
      rmSync(join(app.directory, part), { recursive: true, force: true });
    return app;
  }

  async run(args: readonly string[], exit = 0): Promise<Record<string, unknown>> {
    const result = await runJson(args, { cwd: this.directory, env: this.env });
    if (result.code !== exit) throw new Error(`${args.join(' ')} ended with ${result.code}\n${result.stderr}\n${result.stdout}`);
    return result.json;
  }

  write(name: string, content: string | Uint8Array): void {
    writeFileSync(join(this.directory, name), content);
  }

  program(name: string, text: string): void {
    writeFileSync(join(this.bin, name), text);
    chmodSync(join(this.bin, name), 0o755);
  }

  /** The sample's own writer, from its first committed study on. `committed` is the newest that it told of. */
  async startWriter(): Promise<{ committed: () => number } & AsyncDisposable> {
    const child = spawn('python3', ['writer.py'], { cwd: this.directory, stdio: ['ignore', 'pipe', 'inherit'] });
    let newest = 0;
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => (newest = Number(line)));
    await once(lines, 'line');
    return {
      committed: () => newest,
      [Symbol.asyncDispose]: async () => {
        const closed = once(child, 'close');
        child.kill('SIGKILL');
        await closed;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.base, { recursive: true, force: true });
  }
}

/**
 * Stands for systemd, which does not run where tests do: an executable named systemctl that keeps the state of its units in files. It is asked
 * by the tool exactly as the real one is (`show`, `list-units`, `stop`, `start`); what it cannot show is how long a real unit takes.
 */
export function substituteSystemd(
  app: HostApp,
  units: Readonly<Record<string, 'active' | 'inactive' | 'activating'>>,
  /** Those that are over as soon as they were started. */
  oneshot: readonly string[] = [],
): { readonly stateOf: (unit: string) => string; readonly calls: () => readonly string[] } {
  const folder = join(app.base, 'units');
  mkdirSync(folder);
  for (const [name, state] of Object.entries(units)) writeFileSync(join(folder, name), state);
  for (const name of oneshot) writeFileSync(join(folder, `${name}.oneshot`), '');
  app.program(
    'systemctl',
    `#!/bin/sh
verb=$1; shift
case "$verb" in
show)
  while [ "$1" != -- ]; do shift; done; shift
  for unit; do case "$unit" in *@.service) echo "Failed to get properties: Unit name $unit is neither a valid invocation ID nor unit name." >&2; exit 1 ;; esac; done
  for unit; do
    if [ -e "${folder}/$unit" ]; then printf 'Id=%s\\nLoadState=loaded\\nActiveState=%s\\nSubState=x\\nUnitFileState=enabled\\nFragmentPath=\\nTriggeredBy=\\nAfter=network.target\\nNRestarts=0\\n' "$unit" "$(cat "${folder}/$unit")"
      [ ! -e "${folder}/$unit.oneshot" ] || printf 'Type=oneshot\\nResult=success\\n'; printf '\\n'
    else printf 'Id=%s\\nLoadState=not-found\\nActiveState=inactive\\n\\n' "$unit"; fi
  done ;;
list-units)
  while [ "$1" != -- ]; do shift; done; shift
  cd "${folder}" && for pattern; do for unit in $pattern; do [ ! -e "$unit" ] || echo "$unit loaded $(cat "$unit") running An instance"; done; done ;;
stop) echo "stop $2" >> "${app.base}/calls"; echo inactive > "${folder}/$2" ;;
start) echo "start $2" >> "${app.base}/calls"; [ ! -e "${folder}/$2.broken" ] || { echo failed > "${folder}/$2"; exit 1; }; if [ -e "${folder}/$2.oneshot" ]; then echo inactive; else echo active; fi > "${folder}/$2" ;;
*) exit 1 ;;
esac
`,
  );
  const read = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8').trim() : '');
  return { stateOf: (unit) => read(join(folder, unit)), calls: () => read(join(app.base, 'calls')).split('\n') };
}
