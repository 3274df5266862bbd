import type { Bytes, ByteStream } from '../domain/byte-stream.ts';
import type { Finding } from '../domain/finding.ts';
import type { TreeMount } from '../domain/plan.ts';
import type { ExecHandle } from '../domain/ports.ts';
import type { RawPaths, TarVerdict, TreeScan, TreeSource } from '../domain/tree.ts';
import { mountsBelow } from '../stream/mounts-below.ts';
import { McadsError } from '../errors.ts';
import { listed, tarVerdict, toTreeScan, type ScriptEnd } from '../stream/stat-lines.ts';
import {
  probeScript,
  recipeOf,
  restatScript,
  scanScript,
  shellArguments,
  syncScript,
  tarAllScript,
  tarScript,
  type TreeRoot,
} from '../stream/tree-commands.ts';
import type { HelperContainer } from './helper-container.ts';
import { UnfitImageError } from './helper-container.ts';
import { isPipeFailure } from './piped-exec.ts';
import { nameOfMount, type TreeContext } from './tree-context.ts';

/** Everything that tar and find had to say must be judged; more than this is a broken tree anyway. */
const STDERR_BYTES = 8 * 1024 * 1024;
const PATHS_BATCH_BYTES = 64 * 1024;

/** Filesystems whose inode numbers, or whose clock, are not the kernel's own. */
const FOREIGN = /^(fuse|nfs|cifs|smb|v9fs|9p|virtiofs|vboxsf|prl_fs|ceph|afs|coda|lustre|gpfs|panfs|UNKNOWN)/i;

const IN_FOLDER = 'cd -P -- "$1" || exit 125; shift; exec "$@"';

/** $1 the mount, $2 the sub-path or nothing. Statuses: 3 not GNU's programs, 4 unreadable, 5 no such sub-path, 6 it leads out. */
const PROBE = `version=$(${probeScript()}) || exit 3
if [ -d "$1" ]; then
  kind=d; cd -P -- "$1" || exit 4; root=$(pwd -P)
  if [ -n "$2" ]; then cd -P -- "$2" || exit 5; fi
  case "$(pwd -P)/" in "$root"/*) ;; *) exit 6 ;; esac
  at=.
else kind=f; at=$1; fi
printf '%s\\n' "$kind"; stat -f -c %T -- "$at" || exit 4; printf '%s\\n' "$version"; cat /proc/self/mountinfo`;

export interface HelperTreeSpec {
  readonly mount: TreeMount;
  /** Where the mount is in the helper; its last part is a single file's name. */
  readonly target: string;
  /** True: through the FIFO, or not at all. Null: through the FIFO where that works. */
  readonly pipe: boolean | null;
}

/**
 * A tree read by GNU tar and find in a running helper, which it takes over. Rejects `UnfitImageError` where the programs are not
 * there, `component-failed` for a mount that cannot be read, and the pipe's error where it was insisted upon.
 */
export async function openHelperTree(
  context: TreeContext,
  helper: HelperContainer,
  spec: HelperTreeSpec,
  signal: AbortSignal,
): Promise<TreeSource> {
  const subpath = spec.mount.type === 'volume' ? spec.mount.subpath : null;
  const probe = ['sh', '-c', PROBE, 'sh', spec.target, subpath ?? ''];
  let throughPipe = helper.pipes !== null && spec.pipe !== false;
  let handle: ExecHandle | null = null;
  if (throughPipe) {
    try {
      handle = await helper.execPiped(probe, {}, signal);
    } catch (error) {
      if (!isPipeFailure(error) || spec.pipe === true) throw error;
      context.log(
        'debug',
        `${nameOfMount(spec.mount)}: ${error instanceof Error ? error.message : ''}; the engine's stream is used instead`,
      );
      throughPipe = false;
    }
  }
  const answer = await textOf(handle ?? (await helper.exec(probe, {}, signal)));
  assertProbe(answer, spec);
  const [kind = '', filesystem = '', tarVersion = '', ...mountinfo] = answer.text.split('\n');
  const name = spec.target.slice(spec.target.lastIndexOf('/') + 1);
  const singleFile = kind === 'f';
  const folder = singleFile ? spec.target.slice(0, -name.length - 1) : subpath === null ? spec.target : `${spec.target}/${subpath}`;
  return new HelperTree(context, helper, throughPipe, folder, {
    root: { singleFile: singleFile ? name : null, temporaryDirectory: '/tmp' },
    filesystem,
    tarVersion,
    findings: singleFile ? [] : nestedMounts(mountinfo, folder, nameOfMount(spec.mount)),
  });
}

interface ProbedTree {
  readonly root: TreeRoot;
  readonly filesystem: string;
  readonly tarVersion: string;
  readonly findings: readonly Finding[];
}

class HelperTree implements TreeSource {
  readonly transport: 'pipe' | 'attach';
  readonly scans = true;
  readonly recipe: string;
  readonly stableInodes: boolean;
  readonly clockIsOurs: boolean;
  readonly singleFile: boolean;
  readonly findings: readonly Finding[];
  readonly #helper: HelperContainer;
  readonly #folder: string;
  readonly #root: TreeRoot;

  constructor(context: TreeContext, helper: HelperContainer, throughPipe: boolean, folder: string, probed: ProbedTree) {
    this.transport = throughPipe ? 'pipe' : 'attach';
    this.recipe = recipeOf(this.transport, probed.tarVersion);
    this.stableInodes = !FOREIGN.test(probed.filesystem);
    this.clockIsOurs = context.sharesKernel && this.stableInodes;
    this.singleFile = probed.root.singleFile !== null;
    this.findings = probed.findings;
    this.#helper = helper;
    this.#folder = folder;
    this.#root = probed.root;
  }

  async sync(signal: AbortSignal): Promise<number> {
    const { text, code, stderr } = await textOf(await this.#run(syncScript(), undefined, signal));
    const began = Number(text.trim());
    if (code !== 0 || !(began > 0))
      throw new McadsError('component-failed', `flushing the source failed: ${stderr.trim() || `status ${code}`}`);
    return began;
  }

  scan(signal: AbortSignal): TreeScan {
    const started = this.#run(scanScript(this.#root), undefined, signal);
    return toTreeScan(bodyOf(started), endOf(started), 'scan');
  }

  restat(paths: RawPaths, signal: AbortSignal): TreeScan {
    const started = this.#run(restatScript(), pathList(paths), signal);
    return toTreeScan(bodyOf(started), endOf(started), 'restat');
  }

  read(paths: RawPaths, signal: AbortSignal): ByteStream<TarVerdict> {
    return toTar(this.#run(tarScript(), pathList(paths), signal));
  }

  readAll(signal: AbortSignal): ByteStream<TarVerdict> {
    return toTar(this.#run(tarAllScript(this.#root), undefined, signal));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#helper[Symbol.asyncDispose]();
  }

  async #run(script: string, input: Bytes | undefined, signal: AbortSignal): Promise<ExecHandle> {
    const argv = ['sh', '-c', IN_FOLDER, 'sh', this.#folder, ...shellArguments(script)];
    const options = { stderrBytes: STDERR_BYTES, ...(input === undefined ? {} : { input }) };
    return this.transport === 'pipe' ? this.#helper.execPiped(argv, options, signal) : this.#helper.exec(argv, options, signal);
  }
}

function assertProbe({ code, stderr }: { readonly code: number; readonly stderr: string }, spec: HelperTreeSpec): void {
  const name = nameOfMount(spec.mount);
  switch (code) {
    case 0:
      return;
    case 5:
      throw new McadsError('component-failed', `${name} does not exist in the volume`);
    case 6:
      throw new McadsError('component-failed', `${name} leads out of the volume through a symbolic link`);
    case 4:
      throw new McadsError('component-failed', `${name} cannot be read: ${stderr.trim()}`);
    default:
      throw new UnfitImageError(
        'engine-failed',
        `no GNU tar, find, sort, xargs and tr there (status ${code}) ${stderr.trim().slice(-200)}`,
      );
  }
}

/** What is mounted below the tree: the scan does not go there, and says so. */
function nestedMounts(mountinfo: readonly string[], folder: string, name: string): readonly Finding[] {
  return mountsBelow(mountinfo, folder).map((path) => ({
    severity: 'warning',
    code: 'nested-mount',
    subject: name,
    message: `${path} is another filesystem mounted inside ${name}; what it holds is not captured with it`,
    hint: 'Add it as a mount of its own if it holds state.',
  }));
}

function toTar(started: Promise<ExecHandle>): ByteStream<TarVerdict> {
  const done = endOf(started).then(tarVerdict);
  done.catch(() => undefined); // handed out for later
  return { body: bodyOf(started), done };
}

async function* bodyOf(started: Promise<ExecHandle>): AsyncGenerator<Uint8Array, void, undefined> {
  yield* (await started).stdout;
}

function endOf(started: Promise<ExecHandle>): Promise<ScriptEnd> {
  const end = started.then(async ({ exit }) => exit).then(({ code, stderr }) => ({ status: code, stderr }));
  end.catch(() => undefined); // handed out for later
  return end;
}

export async function textOf(handle: ExecHandle): Promise<{ readonly text: string; readonly code: number; readonly stderr: string }> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of handle.stdout) chunks.push(chunk);
  const { code, stderr } = await handle.exit;
  return { text: Buffer.concat(chunks).toString(), code, stderr };
}

/** NUL-terminated `./paths` in pieces of 64 KiB or, with the last list, more. */
async function* pathList(paths: RawPaths): AsyncGenerator<Uint8Array, void, undefined> {
  let batch = '';
  for await (const some of paths) {
    batch += listed(some);
    if (batch.length >= PATHS_BATCH_BYTES) {
      yield Buffer.from(batch, 'latin1');
      batch = '';
    }
  }
  if (batch !== '') yield Buffer.from(batch, 'latin1');
}
