import { join } from 'node:path';
import { McadsError } from '../errors.ts';
import type { PlanRequest } from '../pipeline/requests.ts';
import type { CommandContext } from './context.ts';
import type { ProjectContext } from './project-context.ts';
import { wordsOf } from './repository-context.ts';

/** Which part of the project, from arguments, flags and settings. Rejects `usage` for what would have no effect. */
export function toPlanRequest(context: CommandContext, project: ProjectContext): PlanRequest {
  if (context.options.flag('allProjects')) {
    throw new McadsError('usage', `${context.name} takes one project at a time, not --all-projects`, {
      hint: 'run it once for each, in its directory or with -p NAME',
    });
  }
  const { settings } = project.config;
  return {
    directory: project.directory,
    projectName: settings.project,
    services: wordsOf(context.args[0]),
    components: context.options.list('component'),
    images: settings.images,
    configFiles: settings.files,
    exclude: settings.exclude,
    sizes: context.name === 'plan' || context.options.flag('dryRun'),
    neverCapture: [project.repository],
    logDirectory: logDirectoryOf(context, project),
    hostSettings: project.config.host,
    strategy: settings.strategy,
  };
}

/** `--log-dir`, else `logs` in the project directory on a host and in the repository inside a container. */
export function logDirectoryOf(context: CommandContext, project: ProjectContext): string {
  return project.config.settings.logDirectory ?? join(context.services.inContainer ? project.repository : project.directory, 'logs');
}
