import { open, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { sampleFile } from '../../config/sample-file.ts';
import type { SampleSource } from '../../config/sample-file.ts';
import { McadsError } from '../../errors.ts';
import { DJANGO_PARTS, type HostApplication } from '../../domain/host.ts';
import type { BackupPlan } from '../../domain/plan.ts';
import { printable } from '../../report/escape.ts';
import { componentsOf } from '../../report/plan-report.ts';
import type { CommandResult } from '../command-spec.ts';
import type { CommandContext } from '../context.ts';
import { toPlanRequest } from '../plan-request.ts';
import type { ProjectContext } from '../project-context.ts';

/** Writes a commented mcads.yaml from the plan; where no engine answers, from the Compose files alone. */
export async function configInit(context: CommandContext): Promise<CommandResult> {
  const project = await context.project();
  const named = context.options.text('config');
  const path = named === null ? join(project.directory, 'mcads.yaml') : resolve(context.io.workingDirectory, named);
  const text = sampleFile(await readSource(context, project));
  if (context.options.flag('dryRun')) return { data: { path, written: false, text }, text: text.trimEnd(), findings: [], exitCode: 0 };
  await writeNew(path, text, context.options.flag('yes'));
  return { data: { path, written: true }, text: `Wrote ${printable(path)}`, findings: [], exitCode: 0 };
}

async function readSource(context: CommandContext, project: ProjectContext): Promise<SampleSource> {
  try {
    const request = { ...toPlanRequest({ ...context, args: [] }, project), components: [] };
    return fromPlan(await context.services.plan(request, project.setup(), () => undefined, context.signal));
  } catch (error) {
    if (
      !(error instanceof McadsError) ||
      project.model === null ||
      !['engine-unreachable', 'engine-lost', 'forbidden'].includes(error.code)
    )
      throw error;
    context.note(`No engine answers (${error.message}); the file is made from the Compose files alone.`);
    return fromModel(project);
  }
}

function fromPlan(plan: BackupPlan): SampleSource {
  const components = componentsOf(plan);
  const model = plan.project.model;
  const services =
    model === null
      ? [...new Set((plan.project.engine?.containers ?? []).map((one) => one.service).filter((name) => name !== null))]
      : Object.keys(model.services);
  const volumes =
    model === null
      ? (plan.project.engine?.volumes ?? []).map((one) => one.composeKey).filter((key) => key !== null)
      : Object.keys(model.volumes);
  const containersOf = (service: string): readonly string[] =>
    (plan.project.engine?.containers ?? []).filter((one) => one.service === service).map((one) => one.id);
  return {
    project: plan.project.name,
    services: services.map((name) => ({
      name,
      holds: components
        .filter((one) => one.id.split('/')[1] === name || one.users.some((user) => containersOf(name).includes(user)))
        .map((one) => one.id),
    })),
    volumes: volumes.map((key) => ({ key, usedBy: usersOf(model, key) })),
    uncovered: plan.uncovered,
    host: plan.project.host === undefined ? undefined : fromHost(plan.project.host),
  };
}

function fromHost({ profile, directory, trees, databases, units }: HostApplication): NonNullable<SampleSource['host']> {
  const shown = (path: string): string => (path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : path);
  const parts = trees.map(({ id, path }) => ({ name: id.slice('files/'.length), path: shown(path) }));
  return {
    profile,
    parts: parts.filter(({ name }) => DJANGO_PARTS.some((part) => part === name)),
    databases: databases.map(({ path }) => shown(path)),
    services: units.map(({ name, uses }) => ({ name, uses })),
  };
}

function fromModel(project: ProjectContext): SampleSource {
  const { model } = project;
  return {
    project: model?.name ?? '',
    services: Object.keys(model?.services ?? {}).map((name) => ({ name, holds: [] })),
    volumes: Object.keys(model?.volumes ?? {}).map((key) => ({ key, usedBy: usersOf(model, key) })),
    uncovered: [],
  };
}

function usersOf(model: ProjectContext['model'], key: string): readonly string[] {
  return Object.values(model?.services ?? {})
    .filter((service) => service.mounts.some((mount) => mount.type === 'volume' && mount.source === key))
    .map((service) => service.name);
}

/** Whole or not at all; an existing file only goes with `overwrite`. */
async function writeNew(path: string, text: string, overwrite: boolean): Promise<void> {
  const target = overwrite ? join(dirname(path), `.mcads.yaml.${process.pid}.tmp`) : path;
  try {
    const file = await open(target, 'wx', 0o644);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    if (overwrite) await rename(target, path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (overwrite) await rm(target, { force: true });
    if (code === 'EEXIST')
      throw new McadsError('usage', `${path} exists already`, { hint: 'pass --yes to replace it, or --dry-run to see the text' });
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
      throw new McadsError('forbidden', `${path} cannot be written`, { cause: error, hint: 'write elsewhere with --config FILE' });
    throw error;
  }
}
