import type { BackupPlan } from '../../src/domain/plan.ts';

/** A plan of nothing. */
export function emptyPlan(): BackupPlan {
  return {
    project: { name: 'shop', strategy: 'docker', directory: '/srv/shop', model: null, engine: null, engineInfo: null, modelError: null },
    groups: [],
    left: [],
    uncovered: [],
    findings: [],
  };
}
