import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface BenchSetup {
  readonly quick: boolean;
  readonly rounds: number;
  /** A count or a size of the full benchmark, as much smaller as was asked for. */
  readonly of: (full: number) => number;
  /** Peers to run, by name; null for all. */
  readonly tools: readonly string[] | null;
  readonly env: Readonly<Record<string, string>>;
  readonly directory: string;
  readonly postgresImage: string;
  readonly baseImage: string;
  readonly name: string;
  readonly say: (line: string) => void;
}

export async function writeProject(setup: BenchSetup, name: string, compose: string): Promise<string> {
  const folder = join(setup.directory, name);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'compose.yaml'), compose);
  return folder;
}
