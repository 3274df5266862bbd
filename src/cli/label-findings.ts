import type { Problem } from '../config/setting.ts';
import type { Finding } from '../domain/finding.ts';
import type { ProjectContext } from './project-context.ts';

/** What is wrong with the labels of services and volumes, each an error finding with its place. */
export function labelFindings(project: ProjectContext): readonly Finding[] {
  const { config, model } = project;
  const toFinding = (problem: Problem): Finding => ({
    severity: 'error',
    code: 'wrong-label',
    subject: problem.where,
    message: problem.message,
    hint: problem.hint,
  });
  return [
    ...Object.values(model?.services ?? {}).flatMap((service) => config.forService(service.name, service.labels).problems),
    ...Object.values(model?.volumes ?? {}).flatMap((volume) => config.forVolume(volume.key, volume.labels).problems),
  ].map(toFinding);
}
