import { renderPlan } from '../render-plan.ts';
import type { CommandContext } from '../context.ts';
import type { CommandResult } from '../command-spec.ts';
import { toPlanRequest } from '../plan-request.ts';
import { withProgress } from '../progress.ts';

/** What a backup would capture; changes nothing. */
export async function plan(context: CommandContext): Promise<CommandResult> {
  const project = await context.project();
  const made = await withProgress(context, project, null, (events) =>
    context.services.plan(toPlanRequest(context, project), project.setup(), events, context.signal),
  );
  return renderPlan(context, project, made);
}
