import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { hasErrors } from '../../domain/finding.ts';
import type { Finding } from '../../domain/finding.ts';
import type { SnapshotSummary } from '../../domain/snapshot-summary.ts';
import type { RestorePlan, RestoreResult } from '../../domain/restore.ts';
import { McadsError, messageOf } from '../../errors.ts';
import type { RestoreRequest } from '../../pipeline/restore-requests.ts';
import { printable } from '../../report/escape.ts';
import { restorePlanJson, restorePlanText } from '../../report/restore-plan.ts';
import type { RestorePlanFacts } from '../../report/restore-plan.ts';
import { restoreClosing, restoreJson, restoreTables } from '../../report/restore-report.ts';
import { restoreVerificationText } from '../../report/restore-verification.ts';
import type { CommandResult } from '../command-spec.ts';
import { selectOrChoose } from '../choose-snapshot.ts';
import { confirmByName } from '../confirm.ts';
import type { CommandContext } from '../context.ts';
import type { ExitCode } from '../exit-codes.ts';
import { toMcadsError } from '../exit-codes.ts';
import { archiveFileOf, importFile } from '../import-file.ts';
import { logDirectoryOf } from '../plan-request.ts';
import { withProgress } from '../progress.ts';
import type { OpenLog } from '../progress.ts';
import type { ProjectContext } from '../project-context.ts';
import { openRepository } from '../repository-context.ts';
import { projectOf, toRestoreRequest } from '../restore-request.ts';
import { programHere } from '../run-defaults.ts';
import { openRunLog } from '../run-log.ts';
import { systemFacts } from '../system-facts.ts';

const QUESTION = 'Restore which snapshot?';

/** Brings a snapshot back; with --dry-run shows the plan and stops. */
export async function restore(context: CommandContext): Promise<CommandResult> {
  if (context.options.flag('allProjects')) {
    throw new McadsError('usage', 'restore takes one project at a time, not --all-projects', { hint: 'name the snapshot in full' });
  }
  const [word] = context.args;
  const file = typeof word === 'string' ? await archiveFileOf(context, word) : null;
  const chosen = file === null ? await selectOrChoose(context, QUESTION) : { archive: file };
  if (context.options.flag('dryRun'))
    return 'summary' in chosen ? showPlan(context, chosen.summary) : showPlanOfFile(context, chosen.archive);
  const summary = 'summary' in chosen ? chosen.summary : await importedSnapshot(context, chosen.archive);
  const project = await projectOf(context, await context.project(), summary);
  const request = toRestoreRequest(context, project, summary);
  const facts: RestorePlanFacts = { proof: summary.proof, keepOldMs: request.keepOldMs, now: new Date() };
  return new Restoration(context, project, request, facts).run();
}

/** What a restore would do. `repository`: another one than the project's. */
async function showPlan(context: CommandContext, summary: SnapshotSummary, repository: string | null = null): Promise<CommandResult> {
  const project = await projectOf(context, await context.project(), summary);
  const request = toRestoreRequest(context, project, summary);
  const facts: RestorePlanFacts = { proof: summary.proof, keepOldMs: request.keepOldMs, now: new Date() };
  const setup = { ...project.setup(), ...(repository === null ? {} : { repository }) };
  const plan = await withProgress(context, project, null, (events) => context.services.planRestore(request, setup, events, context.signal));
  const text = restorePlanText(plan, facts, context.style);
  return { data: { plan: restorePlanJson(plan, facts) }, text, findings: plan.findings, exitCode: 0 };
}

/** The archive is read into a repository of its own in the temporary folder, so that nothing is left of a dry run. */
async function showPlanOfFile(context: CommandContext, file: string): Promise<CommandResult> {
  const folder = await mkdtemp(join(tmpdir(), 'mcads-dry-run-')).catch((error: unknown) => {
    throw new McadsError('store-failed', `no folder can be made in ${tmpdir()}: ${messageOf(error)}`, {
      hint: 'name another one in TMPDIR',
    });
  });
  try {
    const { snapshot } = await importFile(context, file, join(folder, 'repository'));
    return await showPlan(context, await snapshotIn(context, join(folder, 'repository'), snapshot), join(folder, 'repository'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function snapshotIn(context: CommandContext, location: string, name: string): Promise<SnapshotSummary> {
  const { lockTimeoutMs } = (await context.project()).config.settings;
  await using service = await context.services.openRepository(location, lockTimeoutMs);
  const found = (await service.repository.snapshots()).find((one) => one.name === name);
  if (found === undefined) throw new McadsError('damaged', `${name} was imported and is not there`);
  return found;
}

async function importedSnapshot(context: CommandContext, file: string): Promise<SnapshotSummary> {
  const { snapshot } = await importFile(context, file);
  await using opened = await openRepository(context);
  return await opened.select(snapshot);
}

/** One restore from the question to its report and the file with its proof. */
class Restoration {
  readonly #context: CommandContext;
  readonly #project: ProjectContext;
  readonly #request: RestoreRequest;
  readonly #facts: RestorePlanFacts;
  /** From the moment that somebody agreed. */
  #agreed: RestorePlan | null = null;
  /** Where the log file is. */
  #logDirectory: string;

  constructor(context: CommandContext, project: ProjectContext, request: RestoreRequest, facts: RestorePlanFacts) {
    this.#context = context;
    this.#project = project;
    this.#request = request;
    this.#facts = facts;
    this.#logDirectory = logDirectoryOf(context, project);
  }

  async run(): Promise<CommandResult> {
    const context = this.#context;
    let result: RestoreResult;
    try {
      result = await withProgress(
        context,
        this.#project,
        this.#log(),
        (events, pause) =>
          context.services.restore(this.#request, this.#project.setup(), (plan) => pause(() => this.#ask(plan)), events, context.signal),
        (made) => ({ exitCode: exitCodeOf(made), findings: made.findings }),
      );
    } catch (error) {
      throw await this.#withProof(error);
    }
    const verification = await this.#writeProof(result, null);
    const closing = { program: programHere(context), verification: verification.path, now: new Date() };
    return {
      data: restoreJson(result, verification.path),
      text: '',
      notes: `${restoreTables(result, context.noteStyle)}\n\n${restoreClosing(result, closing, context.noteStyle)}`,
      findings: [...result.findings, ...verification.findings],
      exitCode: exitCodeOf(result),
    };
  }

  async #ask(plan: RestorePlan): Promise<void> {
    await confirmByName(this.#context, restorePlanText(plan, this.#facts, this.#context.noteStyle), plan.project, 'Restoring');
    this.#agreed = plan;
  }

  /** The run's log, whose folder also gets the proof. */
  #log(): OpenLog {
    const log = openRunLog(this.#context, this.#project, 'planned');
    return {
      when: log.when,
      open: async () => {
        const file = await log.open();
        if (file !== null) this.#logDirectory = dirname(file.path);
        return file;
      },
    };
  }

  /** The failure with where its record is; nothing is recorded of a restore that nobody agreed to. */
  async #withProof(thrown: unknown): Promise<unknown> {
    if (this.#agreed === null) return thrown;
    const error = toMcadsError(thrown, this.#context.signal);
    if (error.context['rolledBack'] === true) this.#context.note(`${printable(this.#agreed.project)} is as it was before the restore.`);
    const { path } = await this.#writeProof(null, error);
    if (path === null) return thrown;
    this.#context.note(`What failed, in full: ${printable(path)}`);
    const { code, message, hint, where, context, cause } = error;
    return new McadsError(code, message, { hint, where, cause: cause ?? error, context: { ...context, verification: path } });
  }

  async #writeProof(
    result: RestoreResult | null,
    error: McadsError | null,
  ): Promise<{ readonly path: string | null; readonly findings: readonly Finding[] }> {
    const plan = result?.plan ?? this.#agreed;
    if (plan === null) return { path: null, findings: [] };
    const { version } = this.#context.io;
    const { repository } = this.#project;
    const finishedAt = new Date();
    const startedAt = this.#facts.now;
    const stamp = startedAt.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '_');
    const path = join(this.#logDirectory, `restore_${stamp}_verification.txt`);
    try {
      const facts = await systemFacts(version, [plan.directory, repository]);
      await mkdir(this.#logDirectory, { recursive: true, mode: 0o700 });
      const text = restoreVerificationText({ plan, result, error, repository, startedAt, finishedAt, facts });
      await writeFile(path, text, { mode: 0o600, flag: 'wx' });
      return { path, findings: [] };
    } catch (failure) {
      const message = `the file with the proof could not be written: ${messageOf(failure)}`;
      return { path: null, findings: [{ severity: 'warning', code: 'no-verification-file', subject: path, message }] };
    }
  }
}

/** A service that is not healthy is a proof that failed, also where nothing was there to go back to. */
function exitCodeOf({ findings, components, databases }: RestoreResult): ExitCode {
  if (findings.some(({ severity, code }) => severity === 'error' && code === 'service-not-healthy')) return 40;
  if (databases.some(({ rowsEqual }) => rowsEqual === false)) return 40;
  return hasErrors(findings) || components.some(({ outcome }) => outcome === 'failed') ? 3 : 0;
}
