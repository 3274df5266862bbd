import { join } from 'node:path';
import type { PlanRequest } from '../pipeline/requests.ts';
import type { CommandContext } from './context.ts';
import type { ProjectContext } from './project-context.ts';
import { wordsOf } from './repository-context.ts';

/** Which part of the project, from arguments, flags and settings. */
export function toPlanRequest(context: CommandContext, project: ProjectContext): PlanRequest {
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
    neverCapture: [project.repository, logDirectoryOf(context, project)],
  };
}

/** `--log-dir`, else `logs` in the project directory on a host and in the repository inside a container. */
export function logDirectoryOf(context: CommandContext, project: ProjectContext): string {
  return project.config.settings.logDirectory ?? join(context.services.inContainer ? project.repository : project.directory, 'logs');
}
