import type { DatabaseIo, DatabaseTarget } from '../../domain/database-ports.ts';
import { runTool } from './run-tool.ts';

export interface FreeSpace {
  readonly bytes: number;
  /** In memory. */
  readonly isTmpfs: boolean;
}

/** Free bytes where a directory of the container lies; null where its image cannot tell. */
export async function freeSpace(target: DatabaseTarget, io: DatabaseIo, directory: string): Promise<FreeSpace | null> {
  const df = await runTool(io, target.container.id, ['df', '-Pk', directory], { environment: { LC_ALL: 'C' } });
  // A device's name may hold spaces: read from the end.
  const columns = /^(.*?)\s+\d+\s+\d+\s+(-?\d+)\s+\d+%/m.exec(df.stdout);
  if (df.code === 0 && columns !== null)
    return { bytes: Math.max(0, Number(columns[2])) * 1024, isTmpfs: /^(tmpfs|ramfs|shm)$/.test(columns[1] ?? '') };
  const stat = await runTool(io, target.container.id, ['stat', '-f', '-c', '%a %S %T', directory], { environment: { LC_ALL: 'C' } });
  const blocks = /^(\d+) (\d+) (\S+)/.exec(stat.stdout);
  return stat.code === 0 && blocks !== null
    ? { bytes: Number(blocks[1]) * Number(blocks[2]), isTmpfs: blocks[3] === 'tmpfs' || blocks[3] === 'ramfs' }
    : null;
}
