import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checked, type Measured } from './measure.ts';
import type { Tool } from './peers.ts';
import type { BenchSetup } from './setup.ts';
import { BUILT } from './start.ts';

/** This tool without Docker, on the volume's folder: GNU tar in a process of ours instead of in a container. Its restore is not measured. */
export async function hostTool(setup: BenchSetup, tree: string): Promise<Tool> {
  const folder = join(setup.directory, 'host');
  await mkdir(folder, { recursive: true });
  const settings = { project: 'bench', host: { profile: 'generic', services: [], components: { media: tree } } };
  await writeFile(join(folder, 'mcads.yaml'), JSON.stringify(settings));
  const backup = async (place: string): Promise<Measured> => {
    const options = ['--strategy', 'host', '-r', join(place, 'repository'), '--log-dir', join(setup.directory, 'logs'), '--json'];
    return checked(process.execPath, [BUILT, ...options, 'backup'], setup, {}, folder);
  };
  return {
    name: 'mcads-orchestrate on the host',
    isIncremental: true,
    prepare: async () => {
      // The first backup makes the repository.
    },
    backup,
    restore: null,
  };
}
