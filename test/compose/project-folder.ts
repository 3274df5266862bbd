import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { loadCompose } from '../../src/compose/load-compose.ts';
import type { ComposeRequest } from '../../src/compose/load-compose.ts';
import type { ComposeModel } from '../../src/domain/compose-model.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

export interface ProjectFolder extends AsyncDisposable {
  readonly path: string;
  load(request?: Partial<ComposeRequest>): Promise<ComposeModel>;
}

/** A folder `shop` with these files in it, ready to be loaded. */
export async function projectFolder(files: Readonly<Record<string, string | Uint8Array>>): Promise<ProjectFolder> {
  const folder = await temporaryFolder('mcads-compose-');
  const path = join(folder.path, 'shop');
  await mkdir(path);
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), content);
  }
  return {
    path,
    load: (request = {}) =>
      loadCompose({
        directory: path,
        files: [],
        projectName: null,
        envFiles: [],
        projectDirectory: null,
        environment: {},
        home: '/home/h',
        ...request,
      }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
