import { cp, mkdir, readdir, stat, symlink } from 'node:fs/promises';
import { createServer } from 'node:http';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CommandResult, runCommand } from './support/run-command.ts';
import { type TemporaryFolder, temporaryFolder } from './support/temporary-folder.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SHIPPED = [
  'src',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
];
const OLDER_NODE = await findOlderNode();

let folder: TemporaryFolder;
let packed: readonly { readonly path: string; readonly mode: number }[] = [];
let app = '';

/** Packs a copy of the checkout, whose `dist` nobody else uses, and installs the package into an empty folder. */
beforeAll(async () => {
  folder = await temporaryFolder();
  const checkout = join(folder.path, 'checkout');
  await mkdir(join(checkout, 'dist'), { recursive: true });
  for (const name of SHIPPED) await cp(join(ROOT, name), join(checkout, name), { recursive: true });
  await cp(join(ROOT, 'LICENSE'), join(checkout, 'dist', 'left-from-an-older-build.js'));
  await symlink(join(ROOT, 'node_modules'), join(checkout, 'node_modules'));
  const { stdout } = await npm(checkout, ['pack', '--json', '--loglevel=error']);
  // npm's own report follows what the build says
  const [report] = JSON.parse(stdout.slice(stdout.search(/^\[/m))) as { readonly filename: string; readonly files: typeof packed }[];
  if (report === undefined) throw new Error(`npm pack made nothing: ${stdout}`);
  packed = report.files;
  app = join(folder.path, 'an empty folder');
  await mkdir(app);
  await npm(app, ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', join(checkout, report.filename)]);
}, 120_000);

afterAll(async () => folder[Symbol.asyncDispose]());

/** npm as a user has it, with the Node of these tests in front, without what an outer npm run left in the environment. */
function npm(cwd: string, args: readonly string[]): Promise<CommandResult> {
  const inherited = Object.keys(process.env).filter((name) => name.startsWith('npm_'));
  const env = Object.fromEntries(inherited.map((name) => [name, undefined]));
  return runCommand('npm', args, { cwd, env: { ...env, PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter) } });
}

/** The installed command through the link that npm makes, with another Node where one is named. */
function installed(args: readonly string[], cwd = app, node = process.execPath, engine = '/nonexistent'): Promise<CommandResult> {
  const env = { DOCKER_HOST: `unix://${engine}`, MCADS_REPOSITORY: undefined, NO_COLOR: '1' };
  return runCommand(node, [join(app, 'node_modules', '.bin', 'mcads-orchestrate'), ...args], { cwd, accept: 'any', env });
}

/** An engine that runs nothing, as far as a search for projects asks it. */
async function idleEngine(path: string): Promise<AsyncDisposable & { readonly path: string }> {
  const server = createServer((request, response) => {
    response.setHeader('Api-Version', '1.41');
    response.setHeader('Content-Type', 'application/json');
    const url = request.url ?? '';
    if (url.endsWith('_ping')) response.end('OK');
    else if (/\/(?:version|info)$/.test(url))
      response.end(JSON.stringify({ Version: '20.10.24', ApiVersion: '1.41', MinAPIVersion: '1.12' }));
    else response.end(/\/volumes/.test(url) ? '{"Volumes":[]}' : '[]');
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { path, [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) };
}

/** A Node before 24 on this machine, or null. */
async function findOlderNode(): Promise<string | null> {
  for (const directory of new Set(['/usr/bin', '/usr/local/bin', ...(process.env['PATH'] ?? '').split(delimiter)])) {
    const node = join(directory, 'node');
    const version = await runCommand(node, ['-p', 'process.versions.node.split(".")[0]']).then(
      ({ stdout }) => Number(stdout),
      () => Infinity,
    );
    if (version < 24) return node;
  }
  return null;
}

describe('the package', () => {
  test('holds the build of every source file, the documents and nothing else', async () => {
    const sources = await readdir(join(folder.path, 'checkout', 'src'), { recursive: true });
    const built = sources.filter((path) => path.endsWith('.ts')).map((path) => join('dist', path.replace(/\.ts$/, '.js')));
    expect(packed.map(({ path }) => path).toSorted()).toEqual(
      [...built, 'CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'].toSorted(),
    );
  });

  test('can be executed', async () => {
    expect(packed.find(({ path }) => path === 'dist/main.js')?.mode).toBe(0o755);
    expect((await stat(join(folder.path, 'checkout', 'dist', 'main.js'))).mode & 0o777).toBe(0o755);
  });
});

describe('installed into an empty folder', () => {
  test('--version and --help answer', async () => {
    expect(await installed(['--version'])).toEqual({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: '' });
    expect(await installed(['--help'])).toMatchObject({ code: 0, stdout: expect.stringContaining('Usage: mcads-orchestrate'), stderr: '' });
  });

  test('npx runs it', async () => {
    expect((await npm(app, ['exec', '--no', '--', 'mcads-orchestrate', '--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test('a plan in a directory that is nothing ends with exit 2 and leaves no folder behind', async () => {
    await using nothing = await temporaryFolder();
    await using engine = await idleEngine(join(folder.path, 'engine.sock'));
    const result = await installed(['plan'], nothing.path, process.execPath, engine.path);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toContain('no Compose project in');
    expect(await readdir(nothing.path)).toEqual([]);
  });

  test('a broken Compose file ends with exit 2: every layer of the package loads', async () => {
    await using project = await temporaryFolder();
    await runCommand('sh', ['-c', 'printf "services:\\n  db: [\\n" > compose.yaml'], { cwd: project.path });
    const result = await installed(['config', 'validate'], project.path);
    expect(result.code).toBe(2);
    expect(result.stderr).toMatch(/compose\.yaml:\d+:\d+/);
  });

  const title = OLDER_NODE === null ? 'an older Node (none on this machine; a copy that calls itself 20)' : `an older Node (${OLDER_NODE})`;
  test(`${title} gets one clear sentence, exit 2`, async () => {
    const pretending = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.0.0' } })`;
    const main = join(app, 'node_modules', '.bin', 'mcads-orchestrate');
    const result =
      OLDER_NODE === null
        ? await runCommand(process.execPath, ['--import', `data:text/javascript,${encodeURIComponent(pretending)}`, main, 'backup'], {
            accept: 'any',
            cwd: app,
          })
        : await installed(['backup'], app, OLDER_NODE);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toMatch(/^mcads-orchestrate needs Node\.js 24 or newer; this is \d+\.\d+\.\d+ \(.*\)\.\n$/);
  });
});
