import { judgeLevels, levelReached, type DrillEvidence } from '../domain/drill.ts';
import type { DrillRepository } from '../domain/drill-repository.ts';
import { McadsError } from '../errors.ts';
import type { DrillClock } from './drill-clock.ts';
import { drilledImages } from './drill-images.ts';
import type { DrillLog } from './drill-log.ts';
import type { DrillPlan } from './drill-plan.ts';
import type { DrillPorts, DrillRequest } from './drill-requests.ts';

/** All that a drill found out, for ever. */
export function evidenceOf(request: DrillRequest, plan: DrillPlan, log: DrillLog, clock: DrillClock, ports: DrillPorts): DrillEvidence {
  const { name, sealed } = plan.manifest;
  const checks = log.checks.toSorted((a, b) => a.level - b.level);
  const levels = judgeLevels(checks, request.level);
  const { id, name: engineName, version, apiVersion, operatingSystem, architecture, endpoint } = ports.engine.info;
  return {
    format: 1,
    drill: ports.run,
    snapshot: name,
    project: sealed.project,
    takenAt: sealed.startedAt,
    at: ports.now().toISOString(),
    startedAt: clock.startedAt.toISOString(),
    ok: !log.failed,
    level: levelReached(levels),
    wanted: request.level,
    components: plan.isWhole ? null : plan.selected.map((one) => one.id),
    levels,
    checks,
    rto: clock.recovery,
    rpoSeconds: Math.max(0, Math.round((clock.startedAt.getTime() - Date.parse(sealed.startedAt)) / 1000)),
    seconds: clock.seconds,
    images: drilledImages(plan.containers),
    by: ports.by,
    tool: ports.tool,
    engine: { id, name: engineName, version, apiVersion, operatingSystem, architecture, endpoint },
    changes: plan.copy?.changes ?? [],
    findings: log.findings,
  };
}

/** Beside the snapshot; where that cannot be written, a finding says so and the caller has the evidence all the same. */
export async function keepEvidence(evidence: DrillEvidence, repository: DrillRepository, log: DrillLog): Promise<string | null> {
  const name = `${evidence.startedAt.slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '_')}_${evidence.drill}`;
  const path = `snapshots/${evidence.snapshot}/drills/${name}.json`;
  let reason = 'the repository can only be read';
  if (repository.writable) {
    try {
      await repository.keepEvidence(evidence.snapshot, name, `${JSON.stringify(evidence, null, 2)}\n`);
      return path;
    } catch (error) {
      if (!(error instanceof McadsError)) throw error;
      reason = error.message;
    }
  }
  log.warn({
    severity: 'warning',
    code: 'evidence-not-kept',
    subject: evidence.snapshot,
    message: `the evidence is not kept with the snapshot: ${reason}`,
    hint: 'write it somewhere else with --output FILE',
  });
  return null;
}
