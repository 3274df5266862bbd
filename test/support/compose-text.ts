import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadCompose } from '../../src/compose/load-compose.ts';
import type { ComposeModel } from '../../src/domain/compose-model.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** The model of one Compose file with this text. */
export async function modelOf(text: string): Promise<ComposeModel> {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, 'compose.yaml'), text);
  return await loadCompose({
    directory: folder.path,
    files: [],
    projectName: 'test',
    envFiles: [],
    projectDirectory: null,
    environment: {},
  });
}
