import type { BackupPlan } from '../domain/plan.ts';
import type { HostFiles } from '../domain/ports.ts';

/** Where the captured files lie on this host; nothing where the engine is another machine. */
export function dataPaths(plan: BackupPlan): readonly { readonly subject: string; readonly path: string }[] {
  if (plan.project.host !== undefined)
    return [...plan.project.host.databases, ...plan.project.host.trees].map(({ id, path }) => ({ subject: id, path }));
  if (plan.project.engineInfo?.sharesFilesystem !== true) return [];
  const mountpoints = new Map((plan.project.engine?.volumes ?? []).map((volume) => [volume.name, volume.mountpoint]));
  return plan.groups.flatMap((group) =>
    group.components.flatMap(({ id, method }) => {
      if (method.kind !== 'tree') return [];
      const path = method.mount.type === 'bind' ? method.mount.hostPath : mountpoints.get(method.mount.name);
      return path === undefined || path === '' ? [] : [{ subject: id, path }];
    }),
  );
}

/** The rotating disk of each component that lies on one, by the component's id. */
export async function rotatingDisks(plan: BackupPlan, host: HostFiles): Promise<ReadonlyMap<string, string>> {
  const disks = new Map<string, string>();
  for (const { subject, path } of dataPaths(plan)) {
    const disk = await host.rotatingDisk(path);
    if (disk !== null) disks.set(subject, disk);
  }
  return disks;
}
