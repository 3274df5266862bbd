import { componentId, type ComponentId } from '../domain/component.ts';
import type { ComposeModel } from '../domain/compose-model.ts';
import { folderAt } from './folder-at.ts';

/** Folders of the system, which hold nothing of an application's. */
const SYSTEM = /^\/(?:proc|sys|dev|run|var\/run|etc|usr|bin|lib|lib64|boot)?(?:\/|$)/;

/** Folders outside of the directory that services may write, each once. */
export async function composeBinds(
  model: ComposeModel | null,
  directory: string,
): Promise<readonly { readonly id: ComponentId; readonly path: string }[]> {
  const found = new Map<string, ComponentId>();
  for (const service of Object.values(model?.services ?? {})) {
    for (const mount of service.mounts) {
      if (mount.type !== 'bind' || mount.readOnly) continue;
      const path = await folderAt(mount.source);
      if (path === null || path === directory || path.startsWith(`${directory}/`) || found.has(path)) continue;
      if (!SYSTEM.test(path)) found.set(path, componentId('files', service.name, mount.target));
    }
  }
  return [...found].map(([path, id]) => ({ id, path }));
}
