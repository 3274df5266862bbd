import { DRILL_LABEL, type CopiedContainer, type IsolatedCopy } from '../domain/drill-ports.ts';
import type { EngineContainer } from '../domain/engine-model.ts';
import type { Engine, SnapshotRepository } from '../domain/ports.ts';
import { McadsError, messageOf } from '../errors.ts';
import type { DrillLog } from './drill-log.ts';
import type { DrillPlan } from './drill-plan.ts';
import { injectedInto, tarOfFiles } from './drill-held-files.ts';

const TEARDOWN_MS = 120_000;
const LOG_LINES = 15;

/**
 * The copy on the engine. Every container and volume is looked up through it, which asserts that it carries this drill's label: nothing of the
 * live project can become a target by mistake.
 */
export class DrillCopy {
  readonly plan: IsolatedCopy;
  readonly #engine: Engine;
  #ids: ReadonlyMap<string, string> = new Map();

  constructor(plan: IsolatedCopy, engine: Engine) {
    this.plan = plan;
    this.#engine = engine;
  }

  async make(drill: DrillPlan, signal: AbortSignal): Promise<void> {
    this.#ids = await this.#engine.makeCopy(this.plan, signal);
    for (const { name, service, files } of this.plan.containers) {
      const mounted = files.flatMap(({ hostPath, target }) => {
        const file = drill.files.get(hostPath);
        return file === undefined ? [] : [{ target, file }];
      });
      const held = [...mounted, ...injectedInto(service, drill.files)];
      if (held.length > 0) await this.#engine.putIntoCopy(this.plan.drill, this.#idOf(name), tarOfFiles(held), signal);
    }
  }

  /** The first container of a service. Rejects `unexpected` for one that is not of this drill. */
  async container(service: string, signal: AbortSignal): Promise<EngineContainer> {
    const made = this.plan.containers.find((one) => one.service === service);
    if (made === undefined) throw new McadsError('component-failed', `service ${service} is not in the copy`);
    return this.look(made, signal);
  }

  async look({ name }: CopiedContainer, signal: AbortSignal): Promise<EngineContainer> {
    const found = await this.#engine.inspectContainer(this.#idOf(name), signal);
    if (found.labels[DRILL_LABEL] !== this.plan.drill)
      throw new McadsError('unexpected', `container ${name} does not belong to drill ${this.plan.drill}`);
    return found;
  }

  /** The private volume for a recorded volume or host folder. Rejects `unexpected` for one that is not of this drill. */
  async volume(recorded: string, signal: AbortSignal): Promise<string> {
    const made = this.plan.volumes.find((one) => one.recorded === recorded);
    const [found] = made === undefined ? [] : await this.#engine.viewVolumes([made.name], signal);
    if (found?.labels[DRILL_LABEL] === this.plan.drill) return found.name;
    throw new McadsError('unexpected', `the volume for ${recorded} does not belong to drill ${this.plan.drill}`);
  }

  async start(container: CopiedContainer, signal: AbortSignal): Promise<EngineContainer> {
    const found = await this.look(container, signal);
    await this.#engine.start(found.id, signal);
    return found;
  }

  /** The end of a container's log, for the one who looks for the cause; '' where it cannot be had. */
  async logOf({ id }: Pick<EngineContainer, 'id'>): Promise<string> {
    try {
      const text = await this.#engine.copyLogs(this.plan.drill, id, LOG_LINES, AbortSignal.timeout(10_000));
      return text === '' ? '' : `; its log ends with: ${text.split('\n').slice(-3).join(' | ').slice(-600)}`;
    } catch (error) {
      if (error instanceof McadsError) return ''; // the first failure is what counts
      throw error;
    }
  }

  /** Not under the drill's own, perhaps aborted, signal. What cannot be removed is a finding; the next run tries again. */
  async tearDown(log: DrillLog): Promise<void> {
    const failed: string[] = [];
    try {
      failed.push(...(await this.#engine.removeCopy(this.plan.drill, AbortSignal.timeout(TEARDOWN_MS))).failed);
    } catch (error) {
      failed.push(messageOf(error));
    }
    if (failed.length === 0) return;
    log.warn({
      severity: 'warning',
      code: 'copy-left',
      subject: this.plan.copy,
      message: `not everything of the copy could be removed: ${failed.join('; ')}`,
      hint: 'the next run, or `mcads-orchestrate recover`, tries again',
    });
  }

  #idOf(name: string): string {
    const id = this.#ids.get(name);
    if (id === undefined) throw new McadsError('unexpected', `container ${name} was not made`);
    return id;
  }
}

/** What every stage in the copy works with. */
export interface CopyTools {
  readonly engine: Engine;
  readonly repository: SnapshotRepository;
  readonly copy: DrillCopy;
  readonly log: DrillLog;
  readonly run: string;
}
