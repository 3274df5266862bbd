import type { KeptRestore } from '../../domain/restore.ts';
import { McadsError } from '../../errors.ts';
import type { RollbackResult } from '../../pipeline/restore-requests.ts';
import { keptJson, keptText, rollbackJson, rollbackText, staysFindings } from '../../report/rollback-report.ts';
import type { CommandResult } from '../command-spec.ts';
import { confirmByName } from '../confirm.ts';
import type { CommandContext } from '../context.ts';
import { withProgress } from '../progress.ts';
import type { Pause } from '../progress.ts';
import type { ProjectContext } from '../project-context.ts';
import { HEALTH_TIMEOUT_MS } from '../run-defaults.ts';
import { openRunLog } from '../run-log.ts';

/** Goes back to before the last restore; with --dry-run shows what that is and stops. */
export async function rollback(context: CommandContext): Promise<CommandResult> {
  if (context.options.flag('allProjects')) {
    throw new McadsError('usage', 'rollback takes one project at a time, not --all-projects', { hint: 'choose one with -p NAME' });
  }
  const project = await context.project();
  const onHost = await context.services.keptOnHost(project.engine);
  if (onHost === null && (await isWithoutEngine(context, project))) throw nothingOnHost(project);
  const name = onHost ?? project.name ?? (await projectHere(context, project));
  return context.options.flag('dryRun') ? show(context, project, name) : goBack(context, project, name);
}

/** What a restore of containers replaced is known to their engine alone: with Compose files a missing one is no answer. */
async function isWithoutEngine(context: CommandContext, { engine, model, modelError, name }: ProjectContext): Promise<boolean> {
  if (engine.strategy === 'host') return true;
  if (engine.strategy === 'docker' || model !== null || modelError !== null) return false;
  if ((await context.services.listProjects(engine, context.signal)) !== null) return false;
  return (await context.services.projectServices(name ?? '', engine, context.signal)).kind === 'absent';
}

function nothingOnHost({ directory, engine }: ProjectContext): McadsError {
  const kept = 'what a restore replaces is kept for --keep-old (7 days unless told otherwise); an older snapshot brings back what was then';
  return new McadsError('nothing-found', `there is nothing to go back to: no restore is kept in ${directory}`, {
    hint:
      engine.strategy === 'host'
        ? `${kept}; another application is named with --project-directory DIR, a project in containers without --strategy host`
        : `${kept}; another application is named with --project-directory DIR, and a project in containers takes Docker, which is not here`,
  });
}

async function goBack(context: CommandContext, project: ProjectContext, name: string): Promise<CommandResult> {
  const result: RollbackResult = await withProgress(context, project, openRunLog(context, project, 'planned'), (events, pause: Pause) =>
    context.services.rollback(
      { project: name, healthTimeoutMs: HEALTH_TIMEOUT_MS },
      project.setup(),
      async (kept) => {
        await pause(() => confirmByName(context, keptText(kept, new Date(), context.noteStyle), name, 'Rolling back'));
        events({ type: 'planned', components: [] }); // from here on there is something to log
      },
      events,
      context.signal,
    ),
  );
  return {
    data: rollbackJson(result),
    text: '',
    notes: rollbackText(result, context.noteStyle),
    findings: [...staysFindings(result), ...result.findings],
    exitCode: 0,
  };
}

/** Ends a rollback that was only to be shown: it shows itself before it claims the project. */
class OnlyShown extends Error {
  readonly kept: KeptRestore;

  constructor(kept: KeptRestore) {
    super('only shown');
    this.kept = kept;
  }
}

async function show(context: CommandContext, project: ProjectContext, name: string): Promise<CommandResult> {
  try {
    await withProgress(context, project, null, (events) =>
      context.services.rollback(
        { project: name, healthTimeoutMs: HEALTH_TIMEOUT_MS },
        project.setup(),
        (kept) => Promise.reject(new OnlyShown(kept)),
        events,
        context.signal,
      ),
    );
  } catch (error) {
    if (!(error instanceof OnlyShown)) throw error;
    const { kept } = error;
    return { data: { plan: keptJson(kept) }, text: keptText(kept, new Date(), context.style), findings: [], exitCode: 0 };
  }
  throw new TypeError('a rollback went on without asking');
}

/** Without Compose files: the project that was started from this directory. */
async function projectHere(context: CommandContext, project: ProjectContext): Promise<string> {
  const running = (await context.services.listProjects(project.engine, context.signal)) ?? [];
  const [only, second] = running.filter(({ workingDirectory }) => workingDirectory === project.directory);
  if (only !== undefined && second === undefined) return only.project;
  throw new McadsError('usage', `which project? ${project.directory} has no Compose file`, {
    hint: running.length === 0 ? 'choose one with -p NAME' : `choose one with -p: ${running.map((one) => one.project).join(', ')}`,
  });
}
