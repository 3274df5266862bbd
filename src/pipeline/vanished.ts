import { encodeIdPart } from '../domain/component.ts';
import type { Finding } from '../domain/finding.ts';
import type { BackupPlan } from '../domain/plan.ts';
import type { SnapshotSummary } from '../domain/snapshot-summary.ts';

/**
 * What the newest complete snapshot of the project holds, what the Compose files still declare, and what the engine does not have any more: it was
 * lost, and a snapshot without it must not become the newest complete one. Nothing is vanished that was taken out of the files, or that a selection
 * leaves out.
 */
export function vanishedFindings({ project, groups, left }: BackupPlan, earlier: readonly SnapshotSummary[]): readonly Finding[] {
  const { model, engine } = project;
  if (project.strategy !== 'docker' || model === null) return [];
  const newest = earlier
    .filter((one) => one.project === project.name && one.strategy === 'docker' && one.completeness === 'complete')
    .toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1))[0];
  if (newest === undefined) return [];
  const planned = new Set([...groups.flatMap(({ components }) => components), ...left].map(({ id }): string => id));
  const gone = newest.components.filter((id) => !planned.has(id));
  const findings: Finding[] = [];
  for (const { key, name } of Object.values(model.volumes)) {
    if (!gone.includes(`volume/${encodeIdPart(key)}`) || engine?.volumes.some((one) => one.name === name) === true) continue;
    findings.push(vanished(`volume/${encodeIdPart(key)}`, `the engine has no volume ${name} any more`, newest, `volume ${key}`));
  }
  for (const service of Object.keys(model.services)) {
    const databases = gone.filter((id) => id.startsWith(`database/${encodeIdPart(service)}/`));
    const [first] = databases;
    if (first === undefined || engine?.containers.some((one) => one.service === service && !one.oneOff) === true) continue;
    const which = databases.length === 1 ? first : `${databases.length} databases`;
    findings.push(
      vanished(
        first,
        `service ${service} has no container any more, so nothing says what became of ${which}`,
        newest,
        `service ${service}`,
      ),
    );
  }
  return findings;
}

function vanished(subject: string, what: string, { name }: SnapshotSummary, declared: string): Finding {
  return {
    severity: 'error',
    code: 'vanished',
    subject,
    message: `${what}; ${name} holds it, and the Compose files still declare it`,
    hint: `restore it from there; where it is no longer wanted, take ${declared} out of the Compose files`,
  };
}
