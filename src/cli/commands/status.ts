import { McadsError } from '../../errors.ts';
import type { Finding, Uncovered } from '../../domain/finding.ts';
import { judgeProtection, newestCompleteOf } from '../../domain/status.ts';
import type { Protection, ProtectionLimits } from '../../domain/status.ts';
import type { SnapshotSummary } from '../../domain/snapshot-summary.ts';
import { statusFindings, statusJson, statusText } from '../../report/status-report.ts';
import type { ProjectStatus, StatusReport } from '../../report/status-report.ts';
import type { CommandResult } from '../command-spec.ts';
import type { CommandContext } from '../context.ts';
import type { ExitCode } from '../exit-codes.ts';
import type { ProjectContext } from '../project-context.ts';
import { openRepository } from '../repository-context.ts';
import type { OpenedRepository } from '../repository-context.ts';
import { diskSpace } from '../system-facts.ts';

/** The units of the MCADS layout, looked for where no others are named. */
const USUAL_UNITS = ['mcads.service', 'nginx.service'];

/** Services, disks, and how well each project is protected; for people and for cron. */
export async function status(context: CommandContext): Promise<CommandResult> {
  const project = await context.project();
  const { maxAgeMs, maxProofAgeMs } = project.config.settings;
  const now = new Date();
  const stored = await readRepository(context, { maxAgeMs, maxProofAgeMs }, now);
  const projects: ProjectStatus[] = [];
  for (const protection of stored.projects) projects.push({ ...protection, ...(await liveOf(context, project, protection.project)) });
  const paths = [project.directory, project.repository];
  const report: StatusReport = {
    repository: project.repository,
    hasRepository: stored.exists,
    projects,
    disks: await Promise.all(paths.map(diskSpace)),
    now,
  };
  return {
    data: statusJson(report),
    text: context.quiet ? '' : statusText(report, context.style), // cron mails what is printed
    findings: [...stored.findings, ...statusFindings(report, { maxAgeMs, maxProofAgeMs })],
    exitCode: exitCodeOf(stored, projects),
  };
}

interface Stored {
  readonly exists: boolean;
  readonly damaged: boolean;
  readonly projects: readonly Protection[];
  readonly findings: readonly Finding[];
}

/** Where no repository is yet there is no snapshot either: the rest of the report still counts. */
async function readRepository(context: CommandContext, limits: ProtectionLimits, now: Date): Promise<Stored> {
  try {
    await using opened = await openRepository(context);
    const damaged = await opened.service.damagedSnapshots();
    const findings = damaged.map((one): Finding => ({
      severity: 'error',
      code: `snapshot-${one.problem}`,
      subject: one.id,
      message: one.message,
      hint: 'run `verify`',
    }));
    const projects: Protection[] = [];
    for (const name of await namesOf(context, opened)) {
      projects.push(judgeProtection(name, opened.snapshots, await uncoveredOf(opened, name, now), limits, now));
    }
    return { exists: true, damaged: damaged.length > 0, projects, findings };
  } catch (error) {
    const name = (await context.project()).name;
    if (!(error instanceof McadsError) || error.code !== 'no-repository' || name === null) throw error;
    return { exists: false, damaged: false, projects: [judgeProtection(name, [], [], limits, now)], findings: [] };
  }
}

async function namesOf(context: CommandContext, opened: OpenedRepository): Promise<readonly string[]> {
  const name = await opened.projectName();
  if (name !== null) return [name];
  return context.options.flag('allProjects') ? [...new Set(opened.snapshots.map(({ project }) => project))].toSorted() : [];
}

/** What the newest complete snapshot of a project says that it does not hold. */
async function uncoveredOf({ service, snapshots }: OpenedRepository, project: string, now: Date): Promise<readonly Uncovered[]> {
  const isOwn = (one: SnapshotSummary): boolean => one.project === project;
  const newest = newestCompleteOf(snapshots.filter(isOwn), now);
  return newest === null ? [] : (await service.repository.manifest(newest.name)).sealed.uncovered;
}

async function liveOf(context: CommandContext, opened: ProjectContext, project: string): Promise<Pick<ProjectStatus, 'engine' | 'units'>> {
  const engine = await context.services.projectServices(project, opened.engine, context.signal);
  const named = opened.config.host.services.map((name) => (/\.[a-z]+$/.test(name) ? name : `${name}.service`));
  const wanted = named.length > 0 ? named : engine.kind === 'absent' ? USUAL_UNITS : [];
  return { engine, units: await context.services.unitStates(wanted, context.signal) };
}

/** Damage counts more than age. A project nobody has heard of is not protected either. */
function exitCodeOf(stored: Stored, projects: readonly ProjectStatus[]): ExitCode {
  if (stored.damaged) return 30;
  const isBad = (one: ProjectStatus): boolean => one.overdue || one.unproven || one.unprotected.length > 0;
  return projects.length === 0 || projects.some(isBad) ? 4 : 0;
}
