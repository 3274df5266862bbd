import { join } from 'node:path';
import { McadsError } from '../errors.ts';
import type { CommandContext } from './context.ts';
import { logDirectoryOf } from './plan-request.ts';
import type { ProjectContext } from './project-context.ts';
import type { OpenLog } from './progress.ts';
import type { LogFile } from './services.ts';

/** How and when the run's log file is opened. */
export function openRunLog(context: CommandContext, project: ProjectContext, when: OpenLog['when']): OpenLog {
  const open = async (): Promise<LogFile | null> => {
    const command = context.name.replaceAll(' ', '-');
    const directory = logDirectoryOf(context, project);
    const chosen = project.config.settings.logDirectory !== null;
    for (const folder of chosen ? [directory] : [directory, join(project.repository, 'logs')]) {
      try {
        return await context.services.openLog(folder, command, new Date(), (why) => context.note(why));
      } catch (error) {
        if (!(error instanceof McadsError) || chosen) throw error;
      }
    }
    context.note(`No log file: neither ${directory} nor ${join(project.repository, 'logs')} can be written.`);
    return null;
  };
  return { when, open };
}
