import type { SnapshotSummary } from '../domain/snapshot-summary.ts';
import { McadsError } from '../errors.ts';
import type { RestoreRequest } from '../pipeline/restore-requests.ts';
import { chosenComponents } from './choose-components.ts';
import type { CommandContext } from './context.ts';
import { logDirectoryOf } from './plan-request.ts';
import type { ProjectContext } from './project-context.ts';
import { wordsOf } from './repository-context.ts';
import { defaultJobs, HEALTH_TIMEOUT_MS } from './run-defaults.ts';

const PROJECT_NAME = /^[a-z0-9][a-z0-9_-]*$/;

/** Arguments, flags and settings as a restore takes them. Rejects `usage` for what makes no sense together. */
export function toRestoreRequest(context: CommandContext, project: ProjectContext, summary: SnapshotSummary): RestoreRequest {
  const { options } = context;
  const { settings } = project.config;
  const as = options.text('as');
  assertTarget(project, summary, as);
  const components = options.list('component');
  chosenComponents(summary, [], components); // each has to match
  return {
    snapshot: summary.name,
    services: wordsOf(context.args[1]),
    components,
    directory: project.directory,
    projectName: settings.project,
    as,
    asks: !options.flag('yes'),
    withConfig: options.flag('withConfig'),
    keepOldMs: settings.keepOldMs,
    forceShared: options.flag('forceShared'),
    safetyBackup: options.flag('safetyBackup'),
    start: options.flag('start'),
    jobs: settings.jobs ?? defaultJobs(),
    transport: settings.transport,
    helperImage: settings.helperImage,
    healthTimeoutMs: HEALTH_TIMEOUT_MS,
    // On a host the application's own logs may lie beside ours.
    neverTouch: [project.repository, ...(summary.strategy === 'host' ? [] : [logDirectoryOf(context, project)])],
  };
}

/** One project's data is never put into another one by chance. */
function assertTarget(project: ProjectContext, summary: SnapshotSummary, as: string | null): void {
  if (as !== null && !PROJECT_NAME.test(as)) {
    throw new McadsError('usage', `--as ${as} is no project name`, { hint: 'lower-case letters, digits, - and _' });
  }
  // On a host, a Compose file that names no project does not name the application.
  const isUnnamed = summary.strategy === 'host' && project.model?.nameFrom === 'directory';
  const target = project.config.settings.project ?? (isUnnamed ? undefined : project.model?.name) ?? summary.project;
  if (as !== null && (as === summary.project || as === target)) {
    throw new McadsError('usage', `--as ${as} names the original`, { hint: 'leave it out to restore in place, or choose another name' });
  }
  if (as === null && project.config.settings.project === null && target !== summary.project) {
    throw new McadsError('usage', `${summary.name} is a snapshot of ${summary.project}, and this directory is the project ${target}`, {
      hint: `restore it in its own (or an empty) directory, beside with --as NAME, or onto this one all the same with -p ${target}`,
    });
  }
}

/**
 * Where no Compose file says so, a project that runs is restored where the engine says that it lives; `--as` and a directory that was named
 * go where they were told to.
 */
export async function projectOf(context: CommandContext, project: ProjectContext, summary: SnapshotSummary): Promise<ProjectContext> {
  const { settings } = project.config;
  const isNamed = context.options.text('projectDirectory') !== null || (context.io.environment['MCADS_PROJECT_DIRECTORY'] ?? '') !== '';
  if (project.model !== null || settings.project !== null || isNamed || context.options.text('as') !== null) return project;
  const running = await context.services.listProjects(project.engine, context.signal);
  const directory = running?.find((one) => one.project === summary.project)?.workingDirectory ?? null;
  return directory === null ? project : { ...project, directory };
}
