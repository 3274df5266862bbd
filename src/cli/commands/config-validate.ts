import { McadsError } from '../../errors.ts';
import { printable } from '../../report/escape.ts';
import { counted } from '../../report/human.ts';
import type { CommandResult } from '../command-spec.ts';
import type { CommandContext } from '../context.ts';
import { labelFindings } from '../label-findings.ts';

/** Compose files and settings; every wrong label is an error finding, exit 2. */
export async function configValidate(context: CommandContext): Promise<CommandResult> {
  const project = await context.project();
  if (project.modelError !== null) throw project.modelError;
  if (project.model === null) {
    throw new McadsError('nothing-found', `no Compose file in ${project.directory}`, {
      hint: 'name one with -f FILE or --project-directory DIR',
    });
  }
  const { model } = project;
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
