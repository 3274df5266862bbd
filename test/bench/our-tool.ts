import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../support/run-command.ts';
import { checked, type Measured } from './measure.ts';
import type { Tool } from './peers.ts';
import { type BenchSetup, writeProject } from './setup.ts';
import { BUILT } from './start.ts';

export const OUR_NAME = 'mcads-orchestrate';

/** This tool on a volume of a project of its own: backup through Docker and the pipe, full restore of the removed volume. */
export class OurTool implements Tool {
  readonly name = OUR_NAME;
  readonly isIncremental = true;
  readonly #setup: BenchSetup;
  readonly #project: string;
  readonly #folder: string;
  #other = 0;

  private constructor(setup: BenchSetup, project: string, folder: string) {
    this.#setup = setup;
    this.#project = project;
    this.#folder = folder;
  }

  static async open(setup: BenchSetup, project: string): Promise<OurTool> {
    const folder = await writeProject(
      setup,
      project,
      `name: ${project}\nservices:\n  web:\n    image: ${setup.baseImage}\n    volumes: [media:/media]\nvolumes:\n  media:\n`,
    );
    return new OurTool(setup, project, folder);
  }

  get volume(): string {
    return `${this.#project}_media`;
  }

  /** Makes the volume as Compose would; its folder on this machine. */
  async createVolume(): Promise<string> {
    const labels = ['--label', `com.docker.compose.project=${this.#project}`, '--label', 'com.docker.compose.volume=media'];
    await this.#docker('volume', 'create', ...labels, this.volume);
    return this.#docker('volume', 'inspect', '--format', '{{.Mountpoint}}', this.volume);
  }

  async removeVolume(): Promise<void> {
    await this.#docker('volume', 'rm', '-f', this.volume);
  }

  async prepare(): Promise<void> {
    // The first backup makes the repository.
  }

  async backup(place: string): Promise<Measured> {
    return this.#run(place, ['backup', '--transport', 'pipe']);
  }

  /** Into a volume of another project that does not exist yet, so that the source stays for the comparison. */
  async restore(place: string): Promise<{ readonly run: Measured; readonly root: string }> {
    this.#other += 1;
    const as = `${this.#project}r${this.#other}`;
    const newest = await this.#newest(place);
    const run = await this.#run(place, [
      '--component',
      'volume/media',
      '--yes',
      'restore',
      newest,
      '--as',
      as,
      '--no-start',
      '--transport',
      'pipe',
    ]);
    return { run, root: await this.#docker('volume', 'inspect', '--format', '{{.Mountpoint}}', `${as}_media`) };
  }

  async #newest(place: string): Promise<string> {
    const { stdout } = await runCommand(process.execPath, [BUILT, '-r', join(place, 'repository'), '--all-projects', '--json', 'list'], {
      env: this.#setup.env,
    });
    const { snapshots } = JSON.parse(stdout) as { snapshots: readonly { name: string }[] }; // the contract of list --json
    return (
      snapshots
        .map(({ name }) => name)
        .toSorted()
        .at(-1) ?? ''
    );
  }

  async #run(place: string, words: readonly string[]): Promise<Measured> {
    const args = ['--project-directory', this.#folder, '-f', join(this.#folder, 'compose.yaml'), '-r', join(place, 'repository')];
    return checked(process.execPath, [BUILT, ...args, '--log-dir', join(this.#setup.directory, 'logs'), '--json', ...words], this.#setup);
  }

  async #docker(...args: string[]): Promise<string> {
    return (await runCommand('docker', args, { env: this.#setup.env })).stdout.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.removeVolume();
    for (let one = 1; one <= this.#other; one += 1) await this.#docker('volume', 'rm', '-f', `${this.#project}r${one}_media`);
    await rm(this.#folder, { recursive: true, force: true });
  }
}
