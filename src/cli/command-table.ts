import { QUIESCE_MODES, TRANSPORTS } from '../config/schema.ts';
import type { CommandSpec, OptionSpec } from './command-spec.ts';
import { KEEP_OPTIONS } from './global-options.ts';

const SNAPSHOT = {
  syntax: '<snapshot>',
  description: 'full name, time (20250801_142905), unique prefix, or latest (the newest complete one)',
};

const CAPTURE_OPTIONS: readonly OptionSpec[] = [
  { flags: '--images <what>', description: 'also capture images that no registry has (default: none)', choices: ['none', 'local'] },
  { flags: '--quiesce <mode>', description: 'freeze what uses the data while it is read, whatever labels say', choices: QUIESCE_MODES },
];

/** Every command of the tool, in the order that `--help` lists them. */
export const COMMANDS: readonly CommandSpec[] = [
  {
    name: 'backup',
    summary: 'capture databases, volumes, binds, configuration and state as one snapshot',
    description:
      'Captures a Compose project as one consistent, checked snapshot: databases dumped in their own containers, volumes and bind mounts, ' +
      'configuration and state. After a complete backup the retention policy is applied.',
    args: [{ syntax: '[service...]', description: 'only what belongs to these services (default: everything)' }],
    options: [
      ...CAPTURE_OPTIONS,
      { flags: '--transport <name>', description: 'how trees are read (default: auto: pipe, attach, archive)', choices: TRANSPORTS },
      { flags: '--helper-image <image>', description: 'image with GNU tar and find (default: made from this host)' },
      { flags: '--jobs <n>', description: 'components captured at a time (default: from the number of processors)' },
      { flags: '--limit-rate <bytes>', description: 'read no more than this in a second, all components together: 20M' },
      { flags: '--helper-cpu-weight <n>', description: 'share of helpers in busy processors, 10 to 1000; others have 500' },
      { flags: '--helper-io-weight <n>', description: 'share of helpers in busy disks, 10 to 1000; others have 500' },
      { flags: '--rescan', description: 'read every byte, even where nothing seems changed' },
      { flags: '--no-prune', description: 'do not apply the retention policy afterwards' },
      ...KEEP_OPTIONS,
    ],
    examples: [
      { command: 'mcads-orchestrate backup', says: 'the project in this directory, into ./backups' },
      { command: 'mcads-orchestrate backup db -r /mnt/backups --quiesce pause', says: 'only what the service db holds' },
    ],
    exits: [0, 1, 2, 3, 10, 11, 13, 20, 21, 130, 143],
    load: async () => (await import('./commands/backup.ts')).backup,
  },
  {
    name: 'restore',
    summary: 'bring a snapshot back: onto the running project, an empty engine, or beside it',
    description:
      'Brings a snapshot back, or what --component and services choose of it. New data is built beside the old and compared with what was ' +
      'recorded while the services run; then they are stopped, the data is swapped, they are started and checked. Whatever fails, everything is ' +
      'as it was before. Shows the plan and asks for the name of the project first, unless --yes.',
    args: [SNAPSHOT, { syntax: '[service...]', description: 'only what belongs to these services (default: everything)' }],
    options: [
      { flags: '--as <name>', description: 'restore as another project beside this one: no published ports, private volumes' },
      { flags: '--with-config', description: 'also replace configuration files that differ (default: they are shown and kept)' },
      { flags: '--keep-old <time>', description: 'how long rollback can bring back what was replaced; 0: not at all (default: 7d)' },
      { flags: '--force-shared', description: 'also replace volumes that containers of other projects use' },
      { flags: '--no-safety-backup', description: 'do not first capture what cannot be swapped and put back' },
      { flags: '--no-start', description: 'on an engine without the project: create its containers, do not start them' },
      { flags: '--transport <name>', description: 'how trees are written (default: auto: pipe, attach, archive)', choices: TRANSPORTS },
      { flags: '--helper-image <image>', description: 'image with GNU tar and find (default: made from this host)' },
      { flags: '--jobs <n>', description: 'components built at a time (default: from the number of processors)' },
    ],
    examples: [
      { command: 'mcads-orchestrate restore latest --dry-run', says: 'what would happen, in full' },
      { command: 'mcads-orchestrate restore 20250801_142905 db', says: 'only what the service db holds, after a question' },
      { command: 'mcads-orchestrate restore latest -r /mnt/backups --yes', says: 'in an empty directory, onto an empty engine' },
      { command: 'mcads-orchestrate restore latest --as shop-copy', says: 'beside the original' },
    ],
    exits: [0, 1, 2, 3, 10, 11, 13, 20, 21, 30, 40, 130, 143],
    load: async () => (await import('./commands/restore.ts')).restore,
  },
  {
    name: 'rollback',
    summary: 'go back to what was there before the last restore',
    description:
      'Puts back what the last restore replaced, while that is kept (--keep-old): databases, files and configuration. What was written since the ' +
      'restore is lost. Shows what it goes back to and asks for the name of the project first, unless --yes.',
    examples: [
      { command: 'mcads-orchestrate rollback --dry-run', says: 'what it would go back to, and until when it can' },
      { command: 'mcads-orchestrate rollback -p shop --yes', says: 'a project by name, without asking' },
    ],
    exits: [0, 1, 2, 11, 13, 20, 130, 143],
    load: async () => (await import('./commands/rollback.ts')).rollback,
  },
  {
    name: 'plan',
    summary: 'show what a backup would capture, how and why, and what it would not',
    description:
      'Shows what a backup would capture, how and why, and what holds state and is not covered. Changes nothing. The same as backup --dry-run.',
    args: [{ syntax: '[service...]', description: 'only what belongs to these services (default: everything)' }],
    options: CAPTURE_OPTIONS,
    examples: [
      { command: 'mcads-orchestrate plan', says: 'the project in this directory' },
      { command: 'mcads-orchestrate plan -p shop --json', says: 'a running project by name, as JSON' },
    ],
    exits: [0, 1, 2, 3, 20, 130, 143],
    load: async () => (await import('./commands/plan.ts')).plan,
  },
  {
    name: 'verify',
    aliases: ['check'],
    summary: 'check that the repository holds everything that its snapshots need',
    description:
      'Checks the structure of the repository: every manifest, page and chunk that a snapshot needs is there with its right length. --read-data also reads and hashes every byte.',
    options: [
      { flags: '--read-data', description: 'read, decompress and hash every chunk' },
      { flags: '--sample <share>', description: 'read a random part of the chunks: 5%' },
    ],
    examples: [
      { command: 'mcads-orchestrate verify --sample 5%', says: 'structure, and one chunk in twenty' },
      { command: 'mcads-orchestrate check --read-data -r /mnt/backups', says: 'every byte of everything' },
    ],
    exits: [0, 2, 10, 11, 13, 21, 30, 130, 143],
    load: async () => (await import('./commands/verify.ts')).verify,
  },
  {
    name: 'recover',
    summary: 'bring back what a killed run left stopped or half restored, and remove its helpers',
    description:
      'Undoes what a killed run left: a restore that was interrupted is taken back whole (files, databases, configuration and what it had created), ' +
      'services that were stopped or paused run again, helper containers are removed. Every other command does the same for its own project first.',
    examples: [
      { command: 'mcads-orchestrate recover', says: 'the project in this directory' },
      { command: 'mcads-orchestrate recover --all-projects', says: 'everything on this engine' },
    ],
    exits: [0, 2, 3, 11, 20, 130, 143],
    load: async () => (await import('./commands/recover.ts')).recover,
  },
  {
    name: 'list',
    aliases: ['snapshots', 'ls'],
    summary: 'list snapshots',
    description:
      'Lists the snapshots of this project (or of every project) with local times, and the classic archives that lie in the repository.',
    examples: [
      { command: 'mcads-orchestrate list', says: 'this project' },
      { command: 'mcads-orchestrate ls -r /mnt/backups --all-projects --json', says: 'everything in a repository, as JSON' },
    ],
    exits: [0, 2, 10, 13, 21, 30],
    load: async () => (await import('./commands/list.ts')).list,
  },
  {
    name: 'show',
    summary: 'show one snapshot: components, how they were captured, what is not covered',
    description:
      'Shows one snapshot: its components, how each was captured and how consistent it is, what failed, what is not covered, and every finding.',
    args: [SNAPSHOT],
    examples: [
      { command: 'mcads-orchestrate show latest', says: 'the newest complete snapshot' },
      { command: 'mcads-orchestrate show 20250801_142905 --json', says: 'a snapshot by its time, as JSON' },
    ],
    exits: [0, 2, 10, 13, 21, 30],
    load: async () => (await import('./commands/show.ts')).show,
  },
  {
    name: 'files',
    summary: 'list the files of a snapshot',
    description: 'Lists the files of a snapshot with mode, owner, size and time. With --json one object per line.',
    args: [SNAPSHOT, { syntax: '[component...]', description: 'COMPONENT[:PATH] (default: everything)' }],
    examples: [
      { command: 'mcads-orchestrate files latest volume/media', says: 'all files of one volume' },
      { command: 'mcads-orchestrate files latest bind/web/app:config --json', says: 'one folder, one JSON object per file' },
    ],
    exits: [0, 2, 10, 13, 21, 30],
    load: async () => (await import('./commands/files.ts')).files,
  },
  {
    name: 'diff',
    summary: 'compare two snapshots',
    description: 'Lists what was added, removed or changed between two snapshots, by what was recorded of each file.',
    args: [
      { syntax: '<before>', description: 'the older snapshot' },
      { syntax: '[after]', description: 'the newer snapshot (default: latest)' },
    ],
    examples: [
      { command: 'mcads-orchestrate diff 20250801_142905', says: 'from then to the newest' },
      { command: "mcads-orchestrate diff 20250801 20250802 --component 'volume/*'", says: 'volumes only' },
    ],
    exits: [0, 2, 10, 13, 21, 30],
    load: async () => (await import('./commands/diff.ts')).diff,
  },
  {
    name: 'extract',
    summary: 'copy files, dumps or configuration out of a snapshot; no engine needed',
    description:
      'Copies components or single paths of a snapshot into a directory: trees as files with owner, mode and times, databases as bare dumps. ' +
      'With --target - one component goes to stdout: a tree as tar, a dump as it is, a single file as its bytes.',
    args: [SNAPSHOT, { syntax: '[component...]', description: 'COMPONENT[:PATH] (default: everything)' }],
    options: [
      { flags: '--target <dir>', description: 'directory to write to, or - for stdout (required)' },
      { flags: '--overwrite', description: 'replace files that are there already' },
    ],
    examples: [
      { command: 'mcads-orchestrate extract latest volume/media:photos --target ./out', says: 'one folder of a volume' },
      { command: 'mcads-orchestrate extract latest database/db/app --target - | pg_restore -l', says: 'a dump to a pipe' },
    ],
    exits: [0, 2, 3, 10, 13, 21, 30, 130, 143],
    load: async () => (await import('./commands/extract.ts')).extract,
  },
  {
    name: 'stats',
    summary: 'show how much the repository holds and saves',
    description: 'Counts snapshots and chunks: bytes of all snapshots, distinct bytes, bytes on disk.',
    examples: [
      { command: 'mcads-orchestrate stats', says: 'the repository of this project' },
      { command: 'mcads-orchestrate stats -r /mnt/backups --json', says: 'another repository, as JSON' },
    ],
    exits: [0, 2, 10, 13, 21, 30],
    load: async () => (await import('./commands/stats.ts')).stats,
  },
  {
    name: 'prune',
    aliases: ['forget'],
    summary: 'remove snapshots that the retention policy does not keep',
    description:
      'Applies the retention policy to the complete snapshots of this project and sweeps what no snapshot needs. ' +
      '--dry-run gives the reason for each. Asks before it removes anything, unless --yes.',
    options: KEEP_OPTIONS,
    examples: [
      { command: 'mcads-orchestrate prune --keep-daily 7 --keep-weekly 4 --dry-run', says: 'what would go, and why' },
      { command: 'mcads-orchestrate prune --keep-last 10 --yes', says: 'without asking' },
    ],
    exits: [0, 2, 10, 11, 13, 21, 30, 130, 143],
    load: async () => (await import('./commands/prune.ts')).prune,
  },
  {
    name: 'config',
    summary: 'write, show or check the settings',
    description: 'Writes, shows or checks the settings of this project.',
    examples: [
      { command: 'mcads-orchestrate config show', says: 'every value, and where it comes from' },
      { command: 'mcads-orchestrate config validate', says: 'check Compose files and settings' },
    ],
    exits: [0, 2, 13],
    children: [
      {
        name: 'init',
        summary: 'write a commented mcads.yaml from what the project holds',
        description:
          'Writes a commented mcads.yaml into the project directory, listing the services and volumes that were found. Never overwrites one without --yes.',
        examples: [
          { command: 'mcads-orchestrate config init', says: 'in the project directory' },
          { command: 'mcads-orchestrate config init --config /etc/mcads/shop.yaml -p shop', says: 'elsewhere, for a running project' },
        ],
        exits: [0, 2, 13, 20],
        load: async () => (await import('./commands/config-init.ts')).configInit,
      },
      {
        name: 'show',
        summary: 'print every setting with its value and origin',
        description:
          'Prints every setting with its value and where that comes from: flag, variable, label, x-mcads, mcads.yaml or default.',
        examples: [
          { command: 'mcads-orchestrate config show', says: 'as a table' },
          { command: 'mcads-orchestrate config show --keep-daily 7 --json', says: 'with a flag, as JSON' },
        ],
        options: KEEP_OPTIONS,
        exits: [0, 2, 13],
        load: async () => (await import('./commands/config-show.ts')).configShow,
      },
      {
        name: 'validate',
        summary: 'check the Compose files and every setting',
        description: 'Checks that the Compose files load and that every setting and label is known and right. Needs no engine.',
        examples: [
          { command: 'mcads-orchestrate config validate', says: 'the project in this directory' },
          { command: 'mcads-orchestrate config validate -f compose.yaml --json', says: 'a certain file, as JSON' },
        ],
        exits: [0, 2, 13],
        load: async () => (await import('./commands/config-validate.ts')).configValidate,
      },
    ],
  },
];
