import type { ComposeModel } from '../domain/compose-model.ts';
import type { EngineProject } from '../domain/engine-model.ts';
import type { Finding } from '../domain/finding.ts';
import type { HostFiles } from '../domain/ports.ts';

/**
 * The containers of the project were started from other Compose files than these (`-f`, another checkout under the same name): what is here may not be
 * what they run on. Null where these are the files, and where the engine does not say.
 */
export async function startedElsewhere(
  { project, configFiles, containers }: Pick<EngineProject, 'project' | 'configFiles' | 'containers'>,
  model: Pick<ComposeModel, 'composeFiles'> | null,
  host: Pick<HostFiles, 'identify'>,
): Promise<Finding | null> {
  if (model === null || containers.length === 0) return null;
  const realOf = async (path: string): Promise<string | null> => (await host.identify(path))?.realPath ?? null;
  const here = new Set(await Promise.all(model.composeFiles.map(realOf)));
  const named = configFiles.filter((path) => path !== '-');
  // What is not there was moved, or lies on another machine or outside of this container: nothing is known of it.
  const there = await Promise.all(named.map(realOf));
  if (!there.some((path) => path !== null && !here.has(path))) return null;
  return {
    severity: 'warning',
    code: 'started-elsewhere',
    subject: project,
    message: `its containers were started from ${named.join(', ')}, and these are ${model.composeFiles.join(', ')}`,
    hint: `use the same: ${named.map((path) => `-f ${path}`).join(' ')}; or, if these are two projects, give one of them another name`,
  };
}
