import { runCommand } from './run-command.ts';

/** Removes every container, volume, network and image from the engine whose name, or project, begins with `prefix`. */
export async function removeEverything(prefix: string, env: Readonly<Record<string, string>>): Promise<void> {
  const named = `^/?${prefix}`;
  const containers = new Set([
    ...(await list(['ps', '--all', '--quiet', '--no-trunc', '--filter', `name=${named}`], env)),
    ...(await ofProjects(['ps', '--all', '--no-trunc'], '{{.ID}}', prefix, env)),
  ]);
  await remove(['rm', '--force', '--volumes'], containers, env);
  const volumes = new Set([
    ...(await list(['volume', 'ls', '--quiet'], env)).filter((name) => name.startsWith(prefix)),
    ...(await ofProjects(['volume', 'ls'], '{{.Name}}', prefix, env)),
    ...(await ofProjects(['volume', 'ls'], '{{.Name}}', prefix, env, 'mcads.project')),
  ]);
  await remove(['volume', 'rm', '--force'], volumes, env);
  const networks = (await list(['network', 'ls', '--format', '{{.Name}}'], env)).filter((name) => name.startsWith(prefix));
  await remove(['network', 'rm'], new Set(networks), env);
  const images = (await list(['images', '--format', '{{.Repository}}:{{.Tag}}'], env)).filter((name) => name.startsWith(prefix));
  await remove(['rmi', '--force'], new Set(images), env);
}

async function ofProjects(
  command: readonly string[],
  id: string,
  prefix: string,
  env: Readonly<Record<string, string>>,
  label = 'com.docker.compose.project',
): Promise<string[]> {
  const format = `${id} {{.Label "${label}"}}`;
  const lines = await list([...command, '--format', format], env);
  return lines
    .map((line) => line.split(' '))
    .flatMap(([name, project]) => (name !== undefined && project?.startsWith(prefix) ? [name] : []));
}

async function list(args: readonly string[], env: Readonly<Record<string, string>>): Promise<string[]> {
  return (await runCommand('docker', args, { env })).stdout.split('\n').filter((line) => line !== '');
}

async function remove(command: readonly string[], names: ReadonlySet<string>, env: Readonly<Record<string, string>>): Promise<void> {
  // Something may be gone already, or be removed by another test run at the same time.
  if (names.size > 0) await runCommand('docker', [...command, ...names], { env, accept: 'any' });
}
