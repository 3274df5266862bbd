import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { createProject, docker, engineEnv, type TestProjectFolder } from './engine.ts';

const EXAMPLE = join(import.meta.dirname, '../../compose/examples/mcads');

/** The MCADS example, running as a project of its own. */
export interface McadsExample extends AsyncDisposable {
  readonly project: TestProjectFolder;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Host path of a volume, by its key in the Compose file. */
  volume(key: string): Promise<string>;
  /** What a query of one of its databases answers. */
  query(database: string, sql: string): Promise<string>;
  /** Where its nginx is published. */
  site(): Promise<string>;
}

export async function startMcadsExample(): Promise<McadsExample> {
  const project = await createProject();
  await cp(EXAMPLE, project.directory, { recursive: true });
  const env = { ...engineEnv(), COMPOSE_PROJECT_NAME: project.name, HTTP_PORT: '0' };
  await project.compose(['up', '-d', '--wait'], { env });
  return {
    project,
    env,
    volume: async (key) => (await docker(['volume', 'inspect', '--format', '{{.Mountpoint}}', `${project.name}_${key}`])).stdout.trim(),
    query: async (database, sql) =>
      (await project.compose(['exec', '-T', 'db', 'psql', '-U', 'mcads', '-At', '-d', database, '-c', sql], { env })).stdout.trim(),
    site: async () => `http://${(await project.compose(['port', 'nginx', '80'], { env })).stdout.trim()}`,
    [Symbol.asyncDispose]: () => project[Symbol.asyncDispose](),
  };
}
