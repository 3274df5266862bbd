import type { Finding } from '../domain/finding.ts';
import type { CaptureHook, PlannedComponent } from '../domain/plan.ts';
import type { Engine } from '../domain/ports.ts';
import { McadsError, messageOf, stopsRun } from '../errors.ts';

const SHOWN_BYTES = 400;

/**
 * Runs a component's `mcads.exec.before` commands, the capture, and then `mcads.exec.after`, whatever became of the capture.
 * A failing `before` fails the component; a failing `after` is an error finding. `after` does not take the run's signal: it undoes.
 */
export async function withHooks<T>(
  component: PlannedComponent,
  engine: Engine | null,
  capture: () => Promise<T>,
  signal: AbortSignal,
): Promise<{ readonly result: T; readonly findings: readonly Finding[] }> {
  const hooks = component.hooks ?? [];
  if (engine === null || hooks.length === 0) return { result: await capture(), findings: [] };
  const begun: CaptureHook[] = [];
  try {
    for (const hook of hooks) {
      begun.push(hook);
      if (hook.before !== null) await runHook('before', hook, hook.before, engine, signal);
    }
    const result = await capture();
    return { result, findings: await runAfter(component, begun.splice(0), engine) };
  } finally {
    // Only after a failure is anything left here; the capture's own error is the one to tell.
    await runAfter(component, begun, engine);
  }
}

async function runAfter(component: PlannedComponent, hooks: readonly CaptureHook[], engine: Engine): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const hook of hooks.toReversed()) {
    if (hook.after === null) continue;
    try {
      await runHook('after', hook, hook.after, engine, AbortSignal.timeout(hook.timeoutMs));
    } catch (error) {
      findings.push({
        severity: 'error',
        code: 'hook-failed',
        subject: component.id,
        message: messageOf(error),
        hint: `look at the state of ${hook.name} and run the command by hand`,
      });
    }
  }
  return findings;
}

async function runHook(
  when: 'before' | 'after',
  hook: CaptureHook,
  argv: readonly string[],
  engine: Engine,
  signal: AbortSignal,
): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(hook.timeoutMs)]);
  const what = `mcads.exec.${when} in ${hook.name}`;
  try {
    const handle = await engine.exec(hook.container, argv, hook.user === null ? {} : { user: hook.user }, limit);
    // Drained: some engines do not report the end of an exec whose output nobody reads.
    for await (const _ of handle.stdout) limit.throwIfAborted();
    const { code, stderr } = await handle.exit;
    if (code !== 0) throw new McadsError('component-failed', `${what} ended with ${code}: ${stderr.trim().slice(-SHOWN_BYTES)}`);
  } catch (error) {
    if (limit.aborted && !signal.aborted) {
      throw new McadsError('component-failed', `${what} did not end within ${hook.timeoutMs / 1000} s`, {
        hint: 'give it more time with mcads.exec.timeout',
        cause: error,
      });
    }
    if (stopsRun(error) || error instanceof McadsError) throw error;
    throw new McadsError('component-failed', `${what}: ${messageOf(error)}`, { cause: error });
  }
}
