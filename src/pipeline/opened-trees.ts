import type { BackupPlan, PlannedComponent } from '../domain/plan.ts';
import type { Engine } from '../domain/ports.ts';
import type { TreeSource } from '../domain/tree.ts';
import type { BackupRequest } from './requests.ts';

type TreeMethod = Extract<PlannedComponent['method'], { kind: 'tree' }>;

/**
 * The mounted trees of a run. The first ones are opened while the repository still is, and none is waited for when it closes: a helper takes a
 * third of a second to start and a sixth to go, of a backup that finds nothing new a fifth. All are gone when this is disposed.
 */
export class OpenedTrees implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #plan: BackupPlan;
  readonly #request: BackupRequest;
  readonly #ahead = new Map<string, Promise<TreeSource>>();
  readonly #closing = new Set<Promise<void>>();

  constructor(engine: Engine, plan: BackupPlan, request: BackupRequest) {
    this.#engine = engine;
    this.#plan = plan;
    this.#request = request;
  }

  /** Opens those that are read first, as many as are read at once. Only reading needs frozen services. */
  openAhead(signal: AbortSignal): void {
    const first = (this.#plan.groups[0]?.components ?? []).filter(({ failure }) => failure === undefined).slice(0, this.#request.jobs);
    for (const { id, method } of first) {
      if (method.kind !== 'tree') continue;
      const opening = this.#open(method, signal);
      opening.catch(() => undefined); // told when it is taken
      this.#ahead.set(id, opening);
    }
  }

  /** The caller closes it. Rejects as `Engine.openTree`. */
  async take(id: string, method: TreeMethod, signal: AbortSignal): Promise<TreeSource> {
    const opening = this.#ahead.get(id);
    this.#ahead.delete(id);
    return opening ?? this.#open(method, signal);
  }

  close(source: TreeSource): void {
    this.#goOn(source[Symbol.asyncDispose]());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const opening of this.#ahead.values()) {
      this.#goOn(
        opening.then(
          (source) => source[Symbol.asyncDispose](),
          () => undefined,
        ),
      );
    }
    // All are waited for, whatever becomes of one.
    const failed = (await Promise.allSettled(this.#closing)).find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  #goOn(closing: PromiseLike<void>): void {
    const ended = Promise.resolve(closing);
    ended.catch(() => undefined); // told at the end
    this.#closing.add(ended);
  }

  async #open({ mount }: TreeMethod, signal: AbortSignal): Promise<TreeSource> {
    const { transport, helperImage, weights } = this.#request;
    const projectImages = [...new Set((this.#plan.project.engine?.containers ?? []).map((container) => container.imageId))];
    return this.#engine.openTree(mount, { transport, helperImage, projectImages, ...(weights === undefined ? {} : { weights }) }, signal);
  }
}
