import { McadsError } from '../errors.ts';
import type { ContainerJson } from './engine-api.ts';
import type { EngineClient } from './engine-client.ts';
import { importEmptyImage, importOwnPrograms } from './import-image.ts';

const ENGINE_ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  x64: ['amd64', 'x86_64'],
  arm64: ['arm64', 'aarch64'],
  s390x: ['s390x'],
  ppc64: ['ppc64le'],
  riscv64: ['riscv64'],
};

/** Which images may serve as helper, in the order of preference; remembers what was learnt of them. Nothing is ever pulled. */
export class HelperImages {
  readonly #client: EngineClient;
  readonly #own: ContainerJson | null;
  readonly #architecture: string;
  readonly #log: (level: 'debug', message: string) => void;
  readonly #unfit = new Set<string>();
  #imported: Promise<string | null> | null = null;
  #empty: Promise<string> | null = null;

  constructor(client: EngineClient, own: ContainerJson | null, architecture: string, log: (level: 'debug', message: string) => void) {
    this.#client = client;
    this.#own = own;
    this.#architecture = architecture;
    this.#log = log;
  }

  /** Our own image where we are a container, the one asked for, one made of this machine's programs, the project's. */
  async *candidates(asked: string | null, projectImages: readonly string[], signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    if (this.#own !== null) yield* this.#fit(this.#own.Image);
    if (asked !== null) {
      const known = await this.#client.find(`/images/${encodeURIComponent(asked)}/json`, {}, 'looking for the helper image', signal);
      if (known === null) {
        throw new McadsError('config', `the helper image ${asked} is not on the engine`, {
          hint: `Nothing is pulled unasked: \`docker pull ${asked}\`.`,
        });
      }
      yield* this.#fit(asked);
    }
    if (process.platform === 'linux' && ENGINE_ARCHITECTURES[process.arch]?.includes(this.#architecture) === true) {
      const imported = await this.#importOnce(signal);
      if (imported !== null) yield* this.#fit(imported);
    }
    for (const image of projectImages) yield* this.#fit(image);
  }

  markUnfit(image: string, why: string): void {
    this.#log('debug', `image ${image} is no helper: ${why}`);
    this.#unfit.add(image);
  }

  /** An image without files, imported when missing. */
  async empty(signal: AbortSignal): Promise<string> {
    this.#empty ??= importEmptyImage(this.#client, signal);
    try {
      return await this.#empty;
    } catch (error) {
      this.#empty = null; // another caller's abort must not stick
      throw error;
    }
  }

  async #importOnce(signal: AbortSignal): Promise<string | null> {
    this.#imported ??= importOwnPrograms(this.#client, this.#log, signal);
    try {
      return await this.#imported;
    } catch (error) {
      this.#imported = null;
      // A proxy may forbid images to be made; the project's own may still do.
      if (error instanceof McadsError && (error.code === 'forbidden' || error.code === 'engine-failed')) return null;
      throw error;
    }
  }

  *#fit(image: string): Generator<string, void, undefined> {
    if (!this.#unfit.has(image)) yield image;
  }
}
