import { mkdir, writeFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseDuration } from '../../config/duration.ts';
import { DRILL_LEVELS, notDrillable, type DrillEvidence, type DrillLevel } from '../../domain/drill.ts';
import type { Finding } from '../../domain/finding.ts';
import type { SnapshotSummary } from '../../domain/snapshot-summary.ts';
import { McadsError, messageOf } from '../../errors.ts';
import type { DrillRequest } from '../../pipeline/drill-requests.ts';
import { drillJunit } from '../../report/drill-junit.ts';
import { drillMarkdown } from '../../report/drill-markdown.ts';
import { drillClosing, drillJson, drillTables, evidenceText } from '../../report/drill-report.ts';
import { chosenComponents } from '../choose-components.ts';
import type { CommandResult } from '../command-spec.ts';
import type { CommandContext } from '../context.ts';
import { withProgress } from '../progress.ts';
import type { ProjectContext } from '../project-context.ts';
import { refuseDryRun } from '../refuse-dry-run.ts';
import { openRepository } from '../repository-context.ts';
import { defaultJobs, HEALTH_TIMEOUT_MS } from '../run-defaults.ts';
import { openRunLog } from '../run-log.ts';

const DEFAULT_DURATION_MS = 4 * 3_600_000;
const SERVER_TIMEOUT_MS = 600_000;
const LEAST_MEMORY = 256 * 1024 * 1024;

/** Restores a snapshot into an isolated copy and proves it. Exit 40 where anything did not hold. */
export async function drill(context: CommandContext): Promise<CommandResult> {
  refuseDryRun(context, 'it never changes the project: it restores into a copy that it removes again');
  const summary = await selectedSnapshot(context);
  if (summary.strategy !== 'docker') throw notDrillable(summary.name);
  const project = await context.project();
  const request = toDrillRequest(context, project, summary);
  const outputs = outputsOf(context);
  const result = await withProgress(
    context,
    project,
    openRunLog(context, project, 'planned'),
    (events) => context.services.drill(request, project.config.assertions, project.setup(), events, context.signal),
    ({ evidence }) => ({ exitCode: evidence.ok ? 0 : 40, findings: evidence.findings }),
  );
  const { evidence, kept, copy } = result;
  const written = await writeOutputs(outputs, evidence);
  const findings = [...evidence.findings, ...written.findings].filter(
    ({ code }) => code !== 'evidence-not-kept' || written.evidence === null,
  );
  const path = kept === null ? written.evidence : join(project.repository, kept);
  const facts = { evidence: path, copy };
  return {
    data: drillJson(evidence, facts),
    text: '',
    notes: `${drillTables(evidence, context.noteStyle)}\n\n${drillClosing(evidence, facts, new Date(), context.noteStyle)}`,
    findings,
    exitCode: evidence.ok ? 0 : 40,
  };
}

async function selectedSnapshot(context: CommandContext): Promise<SnapshotSummary> {
  const word = context.args[0];
  const oldest = context.options.flag('oldestProof');
  if (oldest && word !== undefined)
    throw new McadsError('usage', '--oldest-proof chooses the snapshot itself', { hint: 'leave one of the two out' });
  await using opened = await openRepository(context);
  if (!oldest) return await opened.select(typeof word === 'string' ? word : 'latest');
  const project = await opened.projectName();
  const complete = opened.snapshots.filter((one) => (project === null || one.project === project) && one.completeness === 'complete');
  const found = oldestProof(complete.filter(({ strategy }) => strategy === 'docker')) ?? complete.at(-1) ?? null;
  if (found === null) throw new McadsError('no-snapshot', 'there is no complete snapshot to drill', { hint: 'backup makes one' });
  return found;
}

/** One that was never proven, the newest of them first; else the one whose proof is the oldest. */
export function oldestProof(snapshots: readonly SnapshotSummary[]): SnapshotSummary | null {
  const unproven = snapshots.filter(({ proof }) => proof === null).toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
  const byProof = snapshots.toSorted((a, b) => ((a.proof?.at ?? '') < (b.proof?.at ?? '') ? -1 : 1));
  return unproven[0] ?? byProof[0] ?? null;
}

function toDrillRequest(context: CommandContext, project: ProjectContext, summary: SnapshotSummary): DrillRequest {
  const { options } = context;
  const { settings } = project.config;
  const components = options.list('component');
  chosenComponents(summary, [], components); // each has to match
  const services = options.flag('services');
  const level = levelOf(options.text('level'), services);
  return {
    snapshot: summary.name,
    components,
    level,
    services,
    keepForMs: durationOf(options.text('keepFor'), '--keep-for') ?? 0,
    maxDurationMs: durationOf(options.text('maxDuration'), '--max-duration') ?? DEFAULT_DURATION_MS,
    healthTimeoutMs: HEALTH_TIMEOUT_MS,
    serverTimeoutMs: SERVER_TIMEOUT_MS,
    jobs: settings.jobs ?? defaultJobs(),
    transport: settings.transport,
    helperImage: settings.helperImage,
    // So that the live project keeps the larger part.
    memoryBytes: Math.max(LEAST_MEMORY, Math.floor(totalmem() / 2)),
  };
}

/** 5 without the application's services, 6 with them. */
function levelOf(text: string | null, services: boolean): DrillLevel {
  if (text === null) return services ? 6 : 5;
  const level = DRILL_LEVELS.find((one) => String(one) === text.replace(/^L/i, ''));
  if (level === undefined) throw new McadsError('usage', `--level ${text} is no level`, { hint: `there are ${DRILL_LEVELS.join(', ')}` });
  if (level === 6 && !services) throw new McadsError('usage', 'level 6 starts the services in the copy', { hint: 'add --services' });
  return level;
}

function durationOf(text: string | null, flag: string): number | null {
  if (text === null) return null;
  const parsed = parseDuration(text);
  if (parsed === null || parsed < 1) throw new McadsError('usage', `${flag} ${text} is no duration`, { hint: 'write 30m or 2h' });
  return parsed;
}

interface Outputs {
  /** `.md` for people, else JSON. */
  readonly evidence: string | null;
  readonly junit: string | null;
}

function outputsOf(context: CommandContext): Outputs {
  const absolute = (path: string | null): string | null => (path === null ? null : resolve(context.io.workingDirectory, path));
  return { evidence: absolute(context.options.text('output')), junit: absolute(context.options.text('junit')) };
}

/** A drill is not undone by a file that cannot be written: that is a finding. */
async function writeOutputs(
  { evidence: path, junit }: Outputs,
  evidence: DrillEvidence,
): Promise<{ readonly evidence: string | null; readonly findings: readonly Finding[] }> {
  const findings: Finding[] = [];
  const write = async (file: string | null, text: string): Promise<string | null> => {
    if (file === null) return null;
    try {
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text, { mode: 0o600 });
      return file;
    } catch (error) {
      findings.push({ severity: 'error', code: 'output-not-written', subject: file, message: messageOf(error) });
      return null;
    }
  };
  const written = await write(path, path?.endsWith('.md') === true ? drillMarkdown(evidence) : evidenceText(evidence));
  await write(junit, drillJunit(evidence));
  return { evidence: written, findings };
}
