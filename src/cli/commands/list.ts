import { printable } from '../../report/escape.ts';
import { listJson, listText } from '../../report/snapshot-report.ts';
import type { CommandResult } from '../command-spec.ts';
import type { CommandContext } from '../context.ts';
import { openRestorables } from '../restorable.ts';

/** Snapshots and classic archives of this project. */
export async function list(context: CommandContext): Promise<CommandResult> {
  await using here = await openRestorables(context);
  const project = await here.projectName();
  const isOurs = (one: { readonly project: string }): boolean => project === null || one.project === project;
  const snapshots = here.snapshots.filter(isOurs);
  const classic = here.classic.filter(isOurs);
  const others = [...new Set([...here.snapshots, ...here.classic].map((one) => one.project))].filter((name) => !isOurs({ project: name }));
  const damaged = (await here.opened?.service.damagedSnapshots()) ?? [];
  const empty =
    snapshots.length + classic.length === 0
      ? `No snapshots${project === null ? '' : ` of ${printable(project)}`} in ${printable(here.location)}.`
      : '';
  const elsewhere = others.length === 0 ? '' : `Other projects here: ${others.map(printable).join(', ')} (-p NAME or --all-projects)`;
  return {
    data: listJson(snapshots, classic),
    text: listText(snapshots, classic, new Date(), context.style),
    notes: [empty, elsewhere].filter((line) => line !== '').join('\n'),
    findings: damaged.map((one) => ({
      severity: 'error',
      code: `snapshot-${one.problem}`,
      subject: one.id,
      message: one.message,
      hint: 'run `verify`',
    })),
    exitCode: damaged.length > 0 ? 30 : 0,
  };
}
