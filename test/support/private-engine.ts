import { spawn } from 'node:child_process';
import { existsSync, openSync, closeSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheFolder, cachePath, say, withCacheLock } from './cache.ts';
import { debianHas, installPackages, unpackPackages } from './debian-packages.ts';
import { engineAnswers } from './find-engine.ts';
import { commandWorks, runCommand } from './run-command.ts';

export interface PrivateEngine {
  readonly dockerHost: string;
  /** Nobody else is in it: what stands there was left by runs that were killed. */
  readonly isFresh: boolean;
  /** Leaves the engine; the last test run that leaves stops it. */
  leave(): Promise<void>;
}

/** Short on purpose: a socket's path holds about 100 bytes, and the cache folder may be deep. */
const newer = process.env['MCADS_TEST_ENGINE'] === 'debian13';
const runFolder = join(tmpdir(), `mcads-test-engine-${process.getuid?.() ?? 0}${newer ? '-debian13' : ''}`);
const socket = join(runFolder, 'docker.sock');
const dockerHost = `unix://${socket}`;
const bridge = newer ? 'mcads-test1' : 'mcads-test0';
/**
 * An address that few machines use, so that an engine beside this one keeps its own. The pool of other networks is left alone for
 * the same reason: a dockerd with `--default-address-pool` deletes docker0 at every start but the first, whosever it is.
 */
const bridgeAddress = newer ? '10.213.1.1/24' : '10.213.0.1/24';

/** Starts a dockerd whose images survive in the cache folder, or joins the one that another test run has started. */
export async function joinPrivateEngine(): Promise<PrivateEngine> {
  const users = join(runFolder, 'users');
  const user = join(users, String(process.pid));
  await mkdir(users, { recursive: true, mode: 0o700 });
  let isFresh = false;
  await withCacheLock('engine', async () => {
    isFresh = !(await answersYet());
    if (isFresh) await start();
    await writeFile(user, '');
  });
  const leave = async (): Promise<void> =>
    withCacheLock('engine', async () => {
      await rm(user, { force: true });
      for (const other of await readdir(users)) {
        if (isAlive(Number(other))) return;
        await rm(join(users, other), { force: true });
      }
      await stop();
    });
  return { dockerHost, isFresh, leave };
}

/** On a machine that is busy an engine that others use may take its time: stopped for that it would take their tests along. */
async function answersYet(): Promise<boolean> {
  const runs = existsSync(pidFile()) && (await isOurDaemon(Number(await readFile(pidFile(), 'utf8'))));
  for (const deadline = performance.now() + (runs ? 60_000 : 0); ;) {
    if (await engineAnswers(dockerHost)) return true;
    if (performance.now() >= deadline) return false;
  }
}

async function start(): Promise<void> {
  const path = newer ? await newerEnginePath() : process.env['PATH'];
  if (!newer && !(await commandWorks('dockerd', ['--version']))) await installEngine();
  if (process.getuid?.() !== 0)
    throw new Error('no Docker engine answers, and only root can start one for the tests (MCADS_TEST_ENGINE=skip leaves them out)');
  await stop();
  await makeBridge();
  const dataRoot = await cachePath(newer ? 'engine-debian13' : 'engine');
  const logPath = join(cacheFolder, 'engine.log');
  const log = openSync(logPath, 'w');
  say(`starting a private dockerd (data in ${dataRoot})`);
  const storage = ['--data-root', dataRoot, '--exec-root', join(runFolder, 'exec'), '--pidfile', pidFile()];
  const network = ['--host', dockerHost, '--bridge', bridge];
  // In a session of its own: Ctrl-C on the tests must let them clean up before the engine goes.
  const daemon = spawn('dockerd', [...storage, ...network], {
    stdio: ['ignore', log, log],
    detached: true,
    env: { ...process.env, PATH: path },
  });
  closeSync(log);
  let exit: string | undefined;
  daemon.once('error', (error) => (exit = error.message));
  daemon.once('exit', (code) => (exit = `exit code ${code}`));
  daemon.unref();
  const deadline = Date.now() + 60_000;
  while (!(await engineAnswers(dockerHost))) {
    if (exit !== undefined || Date.now() > deadline) {
      const tail = (await readFile(logPath, 'utf8')).trimEnd().split('\n').slice(-15).join('\n');
      throw new Error(`dockerd did not start (${exit ?? 'no answer within 60 s'}); the end of ${logPath}:\n${tail}`);
    }
  }
}

/** The search path on which Debian 13's engine is found first. It runs on Debian 12 as it is, but for runc, which wants a newer libc. */
async function newerEnginePath(): Promise<string> {
  if (!(await commandWorks('runc', ['--version']))) await installPackages(['runc', 'iptables', 'iproute2']);
  const root = await unpackPackages('trixie', ['docker.io', 'containerd']);
  return [join(root, 'usr/sbin'), join(root, 'usr/bin'), process.env['PATH']].join(':');
}

/** The docker CLI, with which the tests look at the engine; installed with the engine where it is missing. */
export async function ensureDockerCli(): Promise<void> {
  if (!(await commandWorks('docker', ['--version']))) await installEngine();
}

async function installEngine(): Promise<void> {
  // Since Debian 13 the client is a package of its own.
  const client = (await debianHas('docker-cli')) ? ['docker-cli'] : [];
  await installPackages(['docker.io', 'iptables', 'iproute2', ...client]);
}

async function makeBridge(): Promise<void> {
  if (existsSync(`/sys/class/net/${bridge}`)) return;
  await runCommand('ip', ['link', 'add', bridge, 'type', 'bridge']);
  await runCommand('ip', ['address', 'add', bridgeAddress, 'dev', bridge]);
  await runCommand('ip', ['link', 'set', bridge, 'up']);
}

/** Ends our dockerd, whoever started it, and takes its network bridge away. */
async function stop(): Promise<void> {
  const pid = existsSync(pidFile()) ? Number(await readFile(pidFile(), 'utf8')) : Number.NaN;
  if (await isOurDaemon(pid)) {
    process.kill(pid, 'SIGTERM');
    await runCommand('tail', ['--pid', String(pid), '-f', '/dev/null'], { signal: AbortSignal.timeout(60_000) });
  }
  if (existsSync(`/sys/class/net/${bridge}`)) await runCommand('ip', ['link', 'delete', bridge], { accept: 'any' });
  await rm(pidFile(), { force: true });
}

/** A pid may have been given to another process since: only a dockerd with our socket is ours. */
async function isOurDaemon(pid: number): Promise<boolean> {
  if (!isAlive(pid)) return false;
  return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).includes(dockerHost);
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // someone else's process is alive too
  }
}

function pidFile(): string {
  return join(runFolder, 'dockerd.pid');
}
