import { durationText } from './shown-settings.ts';
import { DEFAULT_EXEC_TIMEOUT_MS } from './component-settings.ts';

/** What `config init` found. */
export interface SampleSource {
  readonly project: string;
  readonly services: readonly { readonly name: string; readonly holds: readonly string[] }[];
  readonly volumes: readonly { readonly key: string; readonly usedBy: readonly string[] }[];
  readonly uncovered: readonly { readonly subject: string; readonly reason: string }[];
}

/** A commented `mcads.yaml`: everything is commented out, so that it changes nothing until somebody edits it. */
export function sampleFile(source: SampleSource): string {
  return [
    `# Settings of mcads-orchestrate for the project ${comment(source.project)}.`,
    '# Everything here is optional; lines that are commented out show the default or an example.',
    '# Stronger than this file: x-mcads in the Compose files, mcads.* labels, MCADS_* variables, flags.',
    '# Check it with `mcads-orchestrate config validate`, see the outcome with `config show` and `plan`.',
    '',
    '# Where snapshots live; relative to this file.',
    '# repository: ./backups',
    '',
    '# What is kept of the complete snapshots; rules add up.',
    '# keep:',
    '#   last: 10',
    '#   daily: 7',
    '#   weekly: 4',
    '#   monthly: 12',
    '#   within: 30d',
    '',
    '# Further files for the `config` component, as globs relative to the project directory.',
    "# files: ['nginx/**', 'scripts/*.sh']",
    '',
    '# Left out of every volume and bind mount.',
    "# exclude: ['**/*.tmp']",
    '',
    '# Also capture images that no registry has: none or local.',
    '# images: none',
    '',
    '# Also write each snapshot as one .tar.gz beside it, as `export` does.',
    '# archive: false',
    '',
    '# Freeze what uses the data while it is read: none, pause or stop.',
    '# quiesce: none',
    '',
    '# How long `rollback` can bring back what a restore replaced; 0: not at all.',
    '# keepOld: 7d',
    '',
    '# `status` ends with 4 when the newest complete snapshot, or the last drill, is older.',
    '# maxAge: 26h',
    '# maxProofAge: 30d',
    '',
    "# A dead man's switch that is told of every backup. Better as MCADS_PING_FILE: the address holds a token.",
    '# ping: https://monitor.example/token',
    '',
    '# How long to wait for another run.',
    '# lockTimeout: 1m',
    '',
    '# services:',
    ...source.services.flatMap((service) => [
      `#   ${key(service.name)}:${service.holds.length === 0 ? '   # holds nothing that is captured' : `   # ${comment(service.holds.join(', '))}`}`,
      '#     enable: true',
      ...(service.holds.some((id) => id.startsWith('database/'))
        ? ['#     postgres:', '#       user: postgres', "#       databases: ['app']"]
        : []),
    ]),
    '#     exec:',
    "#       before: 'sync'",
    `#       timeout: ${durationText(DEFAULT_EXEC_TIMEOUT_MS)}`,
    '',
    '# volumes:',
    ...(source.volumes.length === 0 ? ['#   (this project has none)'] : []),
    ...source.volumes.flatMap((volume) => [
      `#   ${key(volume.key)}:${volume.usedBy.length === 0 ? '   # used by no service' : `   # used by ${comment(volume.usedBy.join(', '))}`}`,
      "#     exclude: ['cache/**']",
    ]),
    ...(source.uncovered.length === 0
      ? []
      : ['', '# Not covered:', ...source.uncovered.map((one) => `#   ${comment(one.subject)}: ${comment(one.reason)}`)]),
    '',
  ].join('\n');
}

/** One line of a comment. */
function comment(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]/gu, ' ');
}

function key(name: string): string {
  return /^[A-Za-z0-9_.-]+$/.test(name) ? name : JSON.stringify(name);
}
