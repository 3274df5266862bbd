import type { JsonObject, JsonValue } from '../domain/byte-stream.ts';
import type { EngineInfo } from '../domain/engine-model.ts';
import type { Finding } from '../domain/finding.ts';
import { hasErrors } from '../domain/finding.ts';
import { type ComponentDetails, type FailedComponent, isEmptyTree, type Manifest } from '../domain/manifest.ts';
import { isStored, type Outcome, type StoredOutcome } from '../domain/outcome.ts';
import type { BackupPlan } from '../domain/plan.ts';
import type { SnapshotRepository, SnapshotWriter } from '../domain/ports.ts';
import type { BackupPorts } from './requests.ts';

interface Finished {
  readonly plan: BackupPlan;
  readonly outcomes: readonly Outcome[];
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly repository: Pick<SnapshotRepository, 'id'>;
  readonly writer: SnapshotWriter;
  readonly ports: Pick<BackupPorts, 'tool' | 'machine'>;
  readonly undone: readonly string[];
}

/** Everything that a snapshot says of itself. `complete` only when every component was captured and no error was found on the way. */
export function assembleManifest(run: Finished): Manifest {
  const { plan, outcomes } = run;
  const good = outcomes.filter(isStored);
  const details: Record<string, ComponentDetails> = {};
  for (const outcome of good) details[outcome.id] = outcome.details;
  const failed = [...outcomes.flatMap(failure), ...notSelected(plan)];
  const emptied = good.flatMap((outcome) => emptiedFinding(outcome, run.writer));
  const findings: readonly Finding[] = [...plan.findings, ...outcomes.flatMap(findingsOf), ...emptied, ...run.undone.map(undoneFinding)];
  const seconds = (run.finishedAt.getTime() - run.startedAt.getTime()) / 1000;
  const engine = plan.project.engineInfo;
  return {
    format: 1,
    features: { read: [], write: [] },
    name: run.writer.name,
    repository: run.repository.id,
    components: good.map((outcome) => outcome.component).toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    sealed: {
      project: plan.project.name,
      strategy: plan.project.strategy,
      completeness: failed.length === 0 && !hasErrors(findings) ? 'complete' : 'partial',
      startedAt: run.startedAt.toISOString(),
      finishedAt: run.finishedAt.toISOString(),
      tool: run.ports.tool,
      host: run.ports.machine,
      engine: engine === null ? null : engineFacts(engine),
      workingDirectory: plan.project.directory,
      environment: plan.project.model?.environmentUsed ?? {},
      components: details,
      failed,
      uncovered: plan.uncovered,
      findings,
      stats: {
        bytes: good.reduce((sum, outcome) => sum + outcome.details.bytes, 0),
        newBytes: good.reduce((sum, outcome) => sum + outcome.details.storedBytes, 0),
        seconds,
        newChunks: run.writer.newChunks,
      },
      parents: parentsOf(good, run.writer),
    },
  };
}

/** The snapshots that the captured components were compared with, each once. */
function parentsOf(good: readonly Outcome[], writer: SnapshotWriter): readonly string[] {
  const names = good.map((outcome) => writer.parentOf(outcome.id)?.name).filter((name) => name !== undefined);
  return [...new Set(names)].toSorted();
}

/** What a restore may want to know of the engine; the container that we ran in is none of it. */
function engineFacts({ ownContainer, ...info }: EngineInfo): JsonObject {
  void ownContainer;
  return info satisfies Record<string, JsonValue>;
}

function failure(outcome: Outcome): readonly FailedComponent[] {
  switch (outcome.status) {
    case 'captured':
    case 'reused':
      return [];
    case 'skipped':
      return [{ id: outcome.id, status: 'skipped', reason: outcome.reason }];
    case 'failed':
      return [{ id: outcome.id, status: 'failed', reason: outcome.reason, hint: outcome.hint }];
    case 'cancelled':
      return [{ id: outcome.id, status: 'cancelled', reason: 'the run was stopped first' }];
  }
}

/** A selection by service or component leaves the snapshot partial: it must never become `latest`. */
function notSelected(plan: BackupPlan): readonly FailedComponent[] {
  return plan.left.map((component) => ({ id: component.id, status: 'skipped', reason: 'not selected' }));
}

function findingsOf(outcome: Outcome): readonly Finding[] {
  switch (outcome.status) {
    case 'captured':
    case 'reused':
      return outcome.details.findings;
    case 'failed':
      return [
        ...outcome.findings,
        { severity: 'error', code: 'component-failed', subject: outcome.id, message: outcome.reason, hint: outcome.hint },
      ];
    case 'skipped':
    case 'cancelled':
      return [];
  }
}

/** Not an error: somebody may have emptied it. */
function emptiedFinding({ id, details }: StoredOutcome, writer: SnapshotWriter): readonly Finding[] {
  const parent = writer.parentOf(id);
  const before = parent?.sealed.components[id]?.facts['entries'];
  if (parent === null || !isEmptyTree(details) || typeof before !== 'number' || before <= 1) return [];
  const message = `nothing is in it, and ${before - 1} entries were when ${parent.name} was made; that snapshot is kept as long as it stays empty`;
  return [{ severity: 'warning', code: 'became-empty', subject: id, message, hint: 'look whether its disk is mounted' }];
}

function undoneFinding(what: string): Finding {
  return {
    severity: 'warning',
    code: 'undone-after-dead-run',
    subject: what,
    message: `brought back what a run that died had left: ${what}`,
  };
}
