import { QUIESCE_MODES, TRANSPORTS } from '../config/value-lists.ts';
import type { OptionSpec } from './command-facts.ts';
import type { CommandSpec } from './command-spec.ts';
import { KEEP_OPTIONS, PING_OPTION } from './global-options.ts';

const SNAPSHOT = {
  syntax: '<snapshot>',
  description: 'full name, time (20250801_142905), unique prefix, or latest (the newest complete one)',
};

const SNAPSHOT_OR_FILE = {
  ...SNAPSHOT,
  description: `${SNAPSHOT.description}; or a classic archive (FILE.tar.gz), which is imported first`,
};

const ARCHIVE_OPTIONS: readonly OptionSpec[] = [
  { flags: '--max-unpacked <size>', description: 'what an archive may unpack to (default: 100 times its size, at least 1 GiB)' },
  { flags: '--allow-devices', description: 'accept device nodes in an archive (default: it is refused)' },
];

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
      { flags: '--archive', description: 'also write the snapshot as one classic .tar.gz into the repository folder' },
      { flags: '--transport <name>', description: 'how trees are read (default: auto: pipe, attach, archive)', choices: TRANSPORTS },
      { flags: '--helper-image <image>', description: 'image with GNU tar and find (default: made from this host)' },
      { flags: '--jobs <n>', description: 'components captured at a time (default: from the number of processors)' },
      { flags: '--limit-rate <bytes>', description: 'read no more than this in a second, all components together: 20M' },
      { flags: '--helper-cpu-weight <n>', description: 'share of helpers in busy processors, 10 to 1000; others have 500' },
      { flags: '--helper-io-weight <n>', description: 'share of helpers in busy disks, 10 to 1000; others have 500' },
      { flags: '--rescan', description: 'read every byte, even where nothing seems changed' },
      { flags: '--no-prune', description: 'do not apply the retention policy afterwards' },
      PING_OPTION,
      ...KEEP_OPTIONS,
    ],
    examples: [
      { command: 'mcads-orchestrate backup', says: 'the project in this directory, into ./backups' },
      { command: 'mcads-orchestrate backup db -r /mnt/backups --quiesce pause', says: 'only what the service db holds' },
      { command: 'mcads-orchestrate backup --quiet --ping https://monitor.example/token', says: 'from cron, watched by a monitor' },
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
    args: [
      { syntax: '[snapshot]', description: `${SNAPSHOT_OR_FILE.description} (default: chosen from a list)` },
      { syntax: '[service...]', description: 'only what belongs to these services (default: everything)' },
    ],
    options: [
      { flags: '--as <name>', description: 'restore as another project beside this one: no published ports, private volumes' },
      { flags: '--with-config', description: 'also replace configuration files that differ (default: they are shown and kept)' },
      { flags: '--keep-old <time>', description: 'how long rollback can bring back what was replaced; 0: not at all (default: 7d)' },
      { flags: '--force-shared', description: 'also replace volumes that containers of other projects use' },
      { flags: '--no-safety-backup', description: 'do not first capture what cannot be swapped and put back' },
      { flags: '--no-start', description: 'create containers that are missing, do not start them' },
      { flags: '--transport <name>', description: 'how trees are written (default: auto: pipe, attach, archive)', choices: TRANSPORTS },
      { flags: '--helper-image <image>', description: 'image with GNU tar and find (default: made from this host)' },
      { flags: '--jobs <n>', description: 'components built at a time (default: from the number of processors)' },
      ...ARCHIVE_OPTIONS,
      PING_OPTION,
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
    name: 'drill',
    summary: 'prove a snapshot by restoring it into an isolated copy of the project',
    description:
      'Restores a snapshot into a copy of the project that can reach nothing outside of itself, compares it with what was recorded, and removes it ' +
      'again. Names the level of proof that was reached. The live project is only read. Evidence is kept with the snapshot. ' +
      'It takes Docker, and a snapshot that was made with it: what the host strategy captured cannot be drilled.',
    args: [{ syntax: '[snapshot]', description: 'full name, time, unique prefix, or latest (the default)' }],
    options: [
      { flags: '--level <n>', description: 'how far to go, 0 to 6 (default: 5, or 6 with --services)' },
      { flags: '--services', description: "start the application's services in the copy too, not only its databases" },
      { flags: '--keep-for <time>', description: 'leave the copy for somebody to look at (default: it goes at once)' },
      { flags: '--max-duration <time>', description: 'the drill fails when it takes longer (default: 4h)' },
      { flags: '--oldest-proof', description: 'take the snapshot that was proven longest ago, or never' },
      { flags: '--output <file>', description: 'also write the evidence there: JSON, or Markdown for a name that ends in .md' },
      { flags: '--junit <file>', description: 'also write every check as JUnit XML there' },
      { flags: '--transport <name>', description: 'how trees are written (default: auto: pipe, attach, archive)', choices: TRANSPORTS },
      { flags: '--helper-image <image>', description: 'image with GNU tar and find (default: made from this host)' },
      { flags: '--jobs <n>', description: 'parts of a database built at a time (default: from the number of processors)' },
      PING_OPTION,
    ],
    examples: [
      { command: 'mcads-orchestrate drill', says: 'the newest complete snapshot, to level 5' },
      { command: 'mcads-orchestrate drill latest --services --keep-for 2h', says: 'start everything, and leave it for two hours' },
      { command: 'mcads-orchestrate drill --oldest-proof --max-duration 1h --junit drill.xml', says: 'every night, in turn' },
    ],
    exits: [0, 2, 3, 10, 11, 13, 20, 21, 30, 40, 130, 143],
    load: async () => (await import('./commands/drill.ts')).drill,
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
    name: 'export',
    summary: 'write a snapshot as one classic .tar.gz that plain tar unpacks',
    description:
      'Writes a snapshot as one classic archive with its verification file beside it: a folder with db.sqlite3, media.tar.gz and so on for a host, ' +
      'dumps, one .tar.gz a volume, configuration and state for Docker. It is read back in full before it gets its name.',
    args: [SNAPSHOT],
    options: [
      { flags: '--output <path>', description: 'folder, or name of the .tar.gz (default: the repository folder)' },
      { flags: '--overwrite', description: 'replace an archive that is there already' },
    ],
    examples: [
      { command: 'mcads-orchestrate export latest', says: 'into the folder of the repository' },
      { command: 'mcads-orchestrate export 20250801_142905 --output /media/usb/', says: 'onto another disk' },
    ],
    exits: [0, 2, 10, 11, 13, 21, 30, 130, 143],
    load: async () => (await import('./commands/export.ts')).exportCommand,
  },
  {
    name: 'import',
    summary: 'store a classic .tar.gz, of the old scripts too, as a snapshot',
    description:
      'Stores a classic archive, written by export or by the old shell scripts, as an ordinary snapshot named by the time in it. The archive is ' +
      'checked in full before anything is touched: checksums, structure, inner archives, sizes and hostile names. `restore FILE` does this first.',
    args: [{ syntax: '<file>', description: 'the .tar.gz' }],
    options: ARCHIVE_OPTIONS,
    examples: [
      { command: 'mcads-orchestrate import backups/mcads_system_backup_20250801_142905.tar.gz', says: 'one of the old scripts' },
      {
        command: 'mcads-orchestrate import /media/usb/shop_backup_20260101_020000.tar.gz -r /mnt/backups --max-unpacked 50GiB',
        says: 'into another repository',
      },
    ],
    exits: [0, 2, 3, 11, 13, 21, 30, 130, 143],
    load: async () => (await import('./commands/import.ts')).importCommand,
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
    name: 'status',
    summary: 'show services, disk space, and whether the project is backed up, proven and covered',
    description:
      'Shows what runs (containers, systemd units), how much room the disks have, the newest snapshots and the last drill. Exit 4 when the newest complete ' +
      'snapshot is older than --max-age, the last drill older than --max-proof-age, or when something holds state and is in no snapshot.',
    options: [
      { flags: '--max-age <time>', description: 'how old the newest complete snapshot may be (default: 26h)' },
      { flags: '--max-proof-age <time>', description: 'how old the last drill may be (default: not asked for)' },
    ],
    examples: [
      { command: 'mcads-orchestrate status', says: 'the project in this directory' },
      {
        command: 'mcads-orchestrate status --max-age 26h --max-proof-age 30d --quiet --all-projects -r /mnt/backups',
        says: 'for cron or a monitor',
      },
    ],
    exits: [0, 2, 4, 10, 13, 21, 30],
    load: async () => (await import('./commands/status.ts')).status,
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
        description:
          'Checks that the Compose files load and that every setting and label is known and right; without Docker, that what the settings name is there. Needs no engine.',
        examples: [
          { command: 'mcads-orchestrate config validate', says: 'the project in this directory' },
          { command: 'mcads-orchestrate config validate -f compose.yaml --json', says: 'a certain file, as JSON' },
        ],
        exits: [0, 2, 13],
        load: async () => (await import('./commands/config-validate.ts')).configValidate,
      },
    ],
  },
  {
    name: 'manager',
    summary: 'choose from a menu: create, list, restore, show, clean up, status, drill (with Docker)',
    description:
      'A menu for the terminal, by arrow keys or numbers; Esc goes back. Every entry runs the command of that name with the global options given here, asks what that ' +
      'asks, and comes back to the menu. Ctrl-C cancels the command that runs, as everywhere.',
    examples: [
      { command: 'mcads-orchestrate manager', says: 'the project in this directory' },
      { command: 'mcads-orchestrate manager -p shop -r /mnt/backups/shop', says: 'a project by name, its backups elsewhere' },
    ],
    exits: [0, 2, 10, 13, 130, 143],
    load: async () => (await import('./commands/manager.ts')).manager,
  },
  {
    name: 'completion',
    summary: 'print a completion script for a shell',
    description:
      'Prints a script that completes commands, options, their values and the names of snapshots. `snapshots` prints those names, which is what the scripts ask.',
    args: [{ syntax: '<shell>', description: 'bash, zsh, fish, or snapshots', choices: ['bash', 'zsh', 'fish', 'snapshots'] }],
    examples: [
      { command: 'mcads-orchestrate completion bash > /etc/bash_completion.d/mcads-orchestrate', says: 'for every bash of this machine' },
      { command: 'mcads-orchestrate completion fish | source', says: 'for this fish' },
    ],
    exits: [0, 2, 10, 13],
    load: async () => (await import('./commands/completion.ts')).completion,
  },
];
