import { isJsonObject } from '../domain/byte-stream.ts';
import type { Finding } from '../domain/finding.ts';
import type { BackupPlan } from '../domain/plan.ts';
import type { FileIdentity, HostFiles } from '../domain/ports.ts';
import { dataPaths } from './data-paths.ts';

/** What to say of a repository's place when it is about to be created: on the data's own disk, or inside a build context. */
export async function placeFindings(repository: string, plan: BackupPlan, host: HostFiles): Promise<readonly Finding[]> {
  if ((await host.identify(`${repository}/repository.json`)) !== null) return [];
  const place = await nearestExisting(repository, host);
  if (place === null) return [];
  const findings: Finding[] = [];
  const shared: string[] = [];
  for (const { subject, path } of dataPaths(plan)) {
    const data = await host.identify(path);
    if (data !== null && data.device === place.device) shared.push(subject);
  }
  if (shared.length > 0) {
    findings.push({
      severity: 'warning',
      code: 'repository-on-same-disk',
      subject: repository,
      message: `the repository is on the same disk as ${shared.length === 1 ? (shared[0] ?? '') : `${shared.length} of the components that it protects`}: one broken disk takes both`,
      hint: 'put it elsewhere: --repository DIR, MCADS_REPOSITORY or `repository:` in x-mcads',
    });
  }
  const context = buildContexts(plan).find((folder) => repository === folder || repository.startsWith(`${folder}/`));
  if (context !== undefined) {
    findings.push({
      severity: 'warning',
      code: 'repository-in-build-context',
      subject: repository,
      message: `the repository lies inside the build context ${context}: every build would send it to the builder`,
      hint: `name it in ${context}/.dockerignore, or put it elsewhere`,
    });
  }
  return findings;
}

async function nearestExisting(path: string, host: HostFiles): Promise<FileIdentity | null> {
  for (let folder = path; folder !== ''; folder = folder.slice(0, folder.lastIndexOf('/'))) {
    const identity = await host.identify(folder);
    if (identity !== null) return identity;
  }
  return host.identify('/');
}

function buildContexts(plan: BackupPlan): readonly string[] {
  const services = plan.project.model?.document['services'];
  if (!isJsonObject(services)) return [];
  return Object.values(services).flatMap((service) => {
    const build = isJsonObject(service) ? service['build'] : undefined;
    const context = isJsonObject(build) ? build['context'] : undefined;
    return typeof context === 'string' && context.startsWith('/') ? [context] : [];
  });
}
