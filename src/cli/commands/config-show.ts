import { componentSettings, globalSettings } from '../../config/shown-settings.ts';
import type { SettingWithOrigin } from '../../config/shown-settings.ts';
import { settingsJson, settingsText } from '../../report/config-report.ts';
import type { CommandResult } from '../command-spec.ts';
import type { CommandContext } from '../context.ts';
import { labelFindings } from '../label-findings.ts';

/** Every setting with its value and origin; for services and volumes what somebody set. */
export async function configShow(context: CommandContext): Promise<CommandResult> {
  const project = await context.project();
  const { config, model } = project;
  const derived: readonly SettingWithOrigin[] = [
    { name: 'project directory', value: project.directory, origin: model === null ? 'current directory' : 'Compose files' },
  ];
  const globals = globalSettings(config).map((row): SettingWithOrigin => {
    if (row.name === 'repository' && row.value === null) return { ...row, value: project.repository };
    if (row.name === 'project' && row.value === null && model !== null)
      return { ...row, value: model.name, origin: `Compose (${model.nameFrom})` };
    return row;
  });
  const owners = [
    ...Object.values(model?.services ?? {}).flatMap((service) =>
      componentSettings(`services.${service.name}`, config.forService(service.name, service.labels)),
    ),
    ...Object.values(model?.volumes ?? {}).flatMap((volume) =>
      componentSettings(`volumes.${volume.key}`, config.forVolume(volume.key, volume.labels)),
    ),
  ];
  const all = [...derived, ...globals, ...owners];
  if (project.modelError !== null) throw project.modelError;
  return { data: settingsJson(all), text: settingsText(all, context.style), findings: labelFindings(project), exitCode: 0 };
}
