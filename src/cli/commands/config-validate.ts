import type { ComposeModel } from '../../domain/compose-model.ts';
import type { BackupPlan } from '../../domain/plan.ts';
import type { HostApplication } from '../../domain/host.ts';
import { McadsError } from '../../errors.ts';
import { printable } from '../../report/escape.ts';
import { counted } from '../../report/human.ts';
import type { CommandResult } from '../command-spec.ts';
import type { CommandContext } from '../context.ts';
import { labelFindings } from '../label-findings.ts';
import { toPlanRequest } from '../plan-request.ts';
import type { ProjectContext } from '../project-context.ts';

/** Compose files and settings, on a host the application that the settings speak of; everything wrong is an error finding, exit 2. */
export async function configValidate(context: CommandContext): Promise<CommandResult> {
  const project = await context.project();
  if (project.modelError !== null) throw project.modelError;
  const { model } = project;
  return model === null || project.config.settings.strategy === 'host' ? validateHost(context, project) : validateModel(project, model);
}

function validateModel(project: ProjectContext, model: ComposeModel): CommandResult {
  const wrong = labelFindings(project);
  const services = Object.keys(model.services).length;
  const volumes = Object.keys(model.volumes).length;
  const summary = `${printable(model.name)}: ${counted(services, 'service')}, ${counted(volumes, 'volume')} in ${model.composeFiles.map(printable).join(', ')}`;
  return {
    data: { project: model.name, composeFiles: [...model.composeFiles], services, volumes },
    text: wrong.length === 0 ? `${summary}\nSettings and labels are valid.` : '',
    findings: [...model.findings, ...wrong],
    exitCode: wrong.length === 0 && !model.findings.some((finding) => finding.severity === 'error') ? 0 : 2,
  };
}

async function validateHost(context: CommandContext, project: ProjectContext): Promise<CommandResult> {
  const { project: found, findings } = await planOnHost(context, project);
  const host: HostApplication | undefined = found.host;
  if (host === undefined) throw nothingHere(project);
  // What the settings name and is not there; the rest is told by a backup.
  const wrong = findings.filter(({ code, severity }) => code === 'part-missing' && severity !== 'info');
  const isWrong = wrong.some(({ severity }) => severity === 'error');
  const { databases, trees, servers } = host;
  const summary = `${printable(found.name)}: ${host.profile} application in ${printable(host.directory)}, ${counted(databases.length + servers.length, 'database')}, ${counted(trees.length, 'directory', 'directories')}`;
  return {
    data: { project: found.name, profile: host.profile, databases: databases.length + servers.length, directories: trees.length },
    text: isWrong ? '' : `${summary}\nSettings are valid.`,
    findings: wrong,
    exitCode: isWrong ? 2 : 0,
  };
}

/** What a backup of this host would be, as the settings say; no engine is asked. */
async function planOnHost(context: CommandContext, project: ProjectContext): Promise<BackupPlan> {
  const { config } = project;
  const isTold =
    config.settings.strategy === 'host' ||
    Object.entries(config.origins).some(([name, { kind }]) => name.startsWith('host.') && kind !== 'default');
  const request = toPlanRequest({ ...context, args: [] }, project);
  try {
    return await context.services.plan(
      { ...request, components: [], strategy: isTold ? 'host' : 'auto' },
      { ...project.setup(), engine: { ...project.engine, strategy: 'host' } },
      () => undefined,
      context.signal,
    );
  } catch (error) {
    if (error instanceof McadsError && (error.code === 'nothing-found' || error.code === 'engine-unreachable')) throw nothingHere(project);
    throw error;
  }
}

function nothingHere({ directory }: ProjectContext): McadsError {
  return new McadsError('nothing-found', `no Compose file in ${directory}, and no application of a host`, {
    hint: 'name one with -f FILE or --project-directory DIR',
  });
}
