import { PROGRESS_MODES, STRATEGIES } from '../config/value-lists.ts';
import type { OptionSpec } from './command-facts.ts';

/** Options of every command; they may stand before or after its name. */
export const GLOBAL_OPTIONS: readonly OptionSpec[] = [
  { flags: '-f, --file <file>', description: 'Compose file, repeatable (default: as Compose finds it)', repeatable: true },
  { flags: '-p, --project-name <name>', description: 'Compose project (default: as Compose names it)' },
  { flags: '--project-directory <dir>', description: 'project directory (default: that of the first Compose file)' },
  { flags: '--env-file <file>', description: 'environment file for the Compose files, repeatable (default: .env)', repeatable: true },
  { flags: '--context <name>', description: 'Docker context (default: as the docker command chooses)' },
  { flags: '-r, --repository <dir>', description: 'where snapshots live (default: MCADS_REPOSITORY, else <project directory>/backups)' },
  { flags: '--strategy <name>', description: `how components are found and captured (default: auto)`, choices: STRATEGIES },
  { flags: '--config <file>', description: 'settings file (default: mcads.yaml in the project directory)' },
  { flags: '--component <glob>', description: "only these components, repeatable: 'volume/*', database/db", repeatable: true },
  {
    flags: '--all-projects',
    description: 'every project in the repository, not only this one (not for backup, plan, restore and rollback)',
  },
  { flags: '--json', description: 'print one JSON object on stdout (files: one per line)' },
  { flags: '-q, --quiet', description: 'no progress and no notes, only data and errors' },
  { flags: '-v, --verbose', description: 'more detail on stderr' },
  { flags: '-y, --yes', description: 'answer every question with yes' },
  { flags: '-n, --dry-run', description: 'say what would be done and stop (backup, restore, rollback, prune, config init)' },
  { flags: '--no-color', description: 'no colours (also: NO_COLOR)' },
  { flags: '--progress <mode>', description: 'how progress is shown (default: auto)', choices: PROGRESS_MODES },
  { flags: '--log-dir <dir>', description: 'folder for log files (default: <project directory>/logs)' },
  { flags: '--lock-timeout <time>', description: 'how long to wait for another run (default: 1m)' },
  { flags: '--strict', description: 'warnings count as errors for the exit code' },
];

export const KEEP_OPTIONS: readonly OptionSpec[] = [
  { flags: '--keep-last <n>', description: 'keep the newest n (default: 10 when no rule is given)' },
  { flags: '--keep-hourly <n>', description: 'keep the newest of each of the last n hours that have one' },
  { flags: '--keep-daily <n>', description: 'likewise for days' },
  { flags: '--keep-weekly <n>', description: 'likewise for weeks' },
  { flags: '--keep-monthly <n>', description: 'likewise for months' },
  { flags: '--keep-yearly <n>', description: 'likewise for years' },
  { flags: '--keep-within <time>', description: 'keep everything younger than this: 30d, 1y6m' },
];

/** Of the commands that run unattended. */
export const PING_OPTION: OptionSpec = {
  flags: '--ping <url>',
  description: "tell a dead man's switch: URL/start, then URL or URL/fail (better as MCADS_PING_FILE: it holds a token)",
};
