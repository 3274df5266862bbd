import { encodeIdPart } from '../domain/component.ts';
import type { ComposeFileObject } from '../domain/compose-model.ts';
import type { Project } from '../domain/plan.ts';
import type { Engine, HostFile } from '../domain/ports.ts';

/** Stands before the names of files that Compose put into a service's containers, and that are nowhere else. */
const FOLDER = 'container/';

/** A file in the containers of a service. */
export interface InjectedFile {
  readonly service: string;
  /** Absolute, in the container. */
  readonly target: string;
}

/** Name in the configuration's archive. */
export function injectedName({ service, target }: InjectedFile): string {
  return `${FOLDER}${encodeIdPart(service)}/${target.replace(/^\/+/, '')}`;
}

/** Null for a name of something else. */
export function injectedFrom(name: string): InjectedFile | null {
  const [folder, service, ...rest] = name.split('/');
  if (`${folder ?? ''}/` !== FOLDER || service === undefined || rest.length === 0) return null;
  return { service: decodeURIComponent(service), target: `/${rest.join('/')}` };
}

/**
 * Configs and secrets that are given by `content:` or `environment:`. Compose writes them into the containers that it makes: no file of the host has
 * them, and a container that is made again from what the engine tells of it would be without.
 */
export async function* injectedFiles(
  { model, engine: known }: Pick<Project, 'model' | 'engine'>,
  engine: Pick<Engine, 'readContainerFile'>,
  missed: (path: string, error: unknown) => void,
  signal: AbortSignal,
): AsyncGenerator<InjectedFile & { readonly file: HostFile }> {
  if (model === null) return;
  const isInjected = (one: ComposeFileObject | undefined): boolean => one !== undefined && !one.external && one.file === null;
  for (const [service, { secrets, configs }] of Object.entries(model.services)) {
    const container = known?.containers.find((one) => one.service === service && !one.oneOff);
    if (container === undefined) continue;
    const mounted = [
      ...secrets.filter(({ source }) => isInjected(model.secrets[source])),
      ...configs.filter(({ source }) => isInjected(model.configs[source])),
    ];
    for (const { target } of mounted) {
      const file = await engine.readContainerFile(container.id, target, signal).catch((error: unknown) => {
        missed(`${target} in ${container.name}`, error);
        return null;
      });
      if (file !== null) yield { service, target, file };
    }
  }
}
