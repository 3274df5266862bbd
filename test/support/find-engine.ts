import { say } from './cache.ts';
import { commandWorks, runCommand } from './run-command.ts';

/**
 * The address of an engine that answers already, as the docker CLI finds it: DOCKER_HOST, the current context, the default
 * and the rootless socket. Undefined where none does.
 */
export async function findEngine(): Promise<string | undefined> {
  for (const host of await candidates()) {
    if (await engineAnswers(host)) return host;
  }
  const chosen = process.env['DOCKER_HOST'];
  if (chosen !== undefined && chosen !== '') say(`no engine answers at DOCKER_HOST=${chosen}`);
  return undefined;
}

/** Whether an engine answers at this address within a few seconds. */
export async function engineAnswers(dockerHost: string): Promise<boolean> {
  const env = { DOCKER_HOST: dockerHost, DOCKER_CONTEXT: undefined };
  return commandWorks('docker', ['version', '--format', '{{.Server.Version}}'], { env, signal: AbortSignal.timeout(5_000) });
}

async function candidates(): Promise<readonly string[]> {
  const chosen = process.env['DOCKER_HOST'];
  if (chosen !== undefined && chosen !== '') return [chosen];
  const context = await runCommand('docker', ['context', 'inspect', '--format', '{{.Endpoints.docker.Host}}'], { accept: 'any' }).catch(
    () => undefined, // no docker CLI: the sockets are still worth a look after it is installed
  );
  const runtimeDir = process.env['XDG_RUNTIME_DIR'];
  return [
    ...new Set([
      ...(context?.stdout.trim() ? [context.stdout.trim()] : []),
      'unix:///var/run/docker.sock',
      ...(runtimeDir === undefined ? [] : [`unix://${runtimeDir}/docker.sock`]),
    ]),
  ];
}
