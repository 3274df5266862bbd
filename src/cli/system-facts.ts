import { statfs } from 'node:fs/promises';
import { availableParallelism, freemem, hostname, release, totalmem } from 'node:os';
import { dirname } from 'node:path';
import type { SystemFacts } from '../report/restore-verification.ts';

/** This machine as it is now. `paths` are absolute; of one that does not exist its nearest parent is measured. */
export async function systemFacts(version: string, paths: readonly string[]): Promise<SystemFacts> {
  return {
    tool: `mcads-orchestrate ${version}`,
    host: hostname(),
    platform: `${process.platform} ${process.arch}, kernel ${release()}`,
    node: process.versions.node,
    processors: availableParallelism(),
    memory: { total: totalmem(), free: freemem() },
    disks: await Promise.all(paths.map(diskSpace)),
  };
}

/** The filesystem of an absolute path, or of its nearest parent that exists. */
export async function diskSpace(path: string): Promise<SystemFacts['disks'][number]> {
  try {
    const { blocks, bavail, bsize } = await statfs(path);
    return { path, total: blocks * bsize, free: bavail * bsize };
  } catch (error) {
    if (dirname(path) === path) throw error;
    return { ...(await diskSpace(dirname(path))), path };
  }
}
