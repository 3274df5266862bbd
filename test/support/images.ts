import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { say } from './cache.ts';
import { debianMirror, installPackages } from './debian-packages.ts';
import {
  debianOptions,
  type ImageContent,
  type ImageRecipe,
  imageRecipes as recipes,
  postgresFiles,
  type TestImageName,
  type TestImages,
  testImages,
} from './image-recipes.ts';
import { commandWorks, runCommand } from './run-command.ts';

/**
 * Sees to it that the engine behind `dockerHost` has every test image: already there, else pulled where a registry answers, else
 * built from Debian's packages. Rejects when one can be had in no way.
 */
export async function ensureImages(dockerHost: string): Promise<TestImages> {
  const images = await testImages();
  const docker = dockerOf(dockerHost);
  const names = Object.keys(recipes) as TestImageName[]; // keys of a Record are its key type
  const missing: TestImageName[] = [];
  for (const name of names) if (!(await commandWorks('docker', ['image', 'inspect', images[name]], docker))) missing.push(name);
  if (missing.length === 0) return images;

  const registry = await registryAnswers(dockerHost);
  const started = Date.now();
  say(`${registry ? 'pulling' : 'no registry answers: building from Debian packages'}: ${missing.join(', ')} (a few minutes, once)`);
  if (!registry && missing.some((name) => recipes[name].content.kind === 'debian') && !(await commandWorks('mmdebstrap', ['--version']))) {
    await installPackages(['mmdebstrap']);
  }
  const derived = missing.filter((name) => recipes[name].content.kind === 'from');
  const first = missing.filter((name) => !derived.includes(name));
  for (const batch of [first, derived]) {
    // Settled, not raced: a build must not be left running behind a failure.
    const results = await Promise.allSettled(batch.map((name) => provideImage(name, images, dockerHost, registry)));
    const failed = results.filter((result) => result.status === 'rejected').map((result) => result.reason as unknown);
    if (failed.length > 0) throw new AggregateError(failed, `test images could not be made:\n${failed.map(String).join('\n')}`);
  }
  say(`images ready after ${Math.round((Date.now() - started) / 1000)} s`);
  return images;
}

async function provideImage(name: TestImageName, images: TestImages, dockerHost: string, registry: boolean): Promise<void> {
  const started = Date.now();
  const recipe = recipes[name];
  const docker = dockerOf(dockerHost);
  if (registry && recipe.official !== undefined) {
    await runCommand('docker', ['pull', '--quiet', recipe.official], docker);
    await runCommand('docker', ['tag', recipe.official, images[name]], docker);
  } else {
    await build(recipe, images, name, dockerHost);
  }
  // The short name is for trials by hand; tests use the exact one.
  await runCommand('docker', ['tag', images[name], `mcads-test/${recipe.repository}:${recipe.tag}`], docker);
  say(`${images[name]} after ${Math.round((Date.now() - started) / 1000)} s`);
}

async function build(recipe: ImageRecipe, images: TestImages, name: TestImageName, dockerHost: string): Promise<void> {
  const { content } = recipe;
  const base = content.kind === 'from' ? images[content.image] : await importRoot(content, dockerHost);
  // The classic builder is in every engine; BuildKit's client may be missing.
  const env = { ...dockerOf(dockerHost).env, DOCKER_BUILDKIT: '0' };
  await runCommand('docker', ['build', '--quiet', '--tag', images[name], '-'], {
    env,
    input: [`FROM ${base}`, ...recipe.changes, ''].join('\n'),
  });
}

/** Imports a root file system and hands back the id of that image. */
async function importRoot(content: Exclude<ImageContent, { kind: 'from' }>, dockerHost: string): Promise<string> {
  const work = await mkdtemp(join(tmpdir(), 'mcads-image-'));
  try {
    const archive = join(work, 'image.tar');
    if (content.kind === 'debian') {
      await debianArchive(content, archive);
    } else {
      const root = join(work, 'root');
      await mkdir(root);
      await content.fill(root);
      const entries = await readdir(root);
      if (entries.length === 0) await writeFile(archive, new Uint8Array(10_240));
      else await runCommand('tar', ['-C', root, '--numeric-owner', '--owner=0', '--group=0', '-cf', archive, ...entries]);
    }
    return (await runCommand('docker', ['import', '-'], { ...dockerOf(dockerHost), input: createReadStream(archive) })).stdout.trim();
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function debianArchive(content: Extract<ImageContent, { kind: 'debian' }>, archive: string): Promise<void> {
  const include = `--include=${content.packages.join(',')}`;
  const hooks = content.hooks.map((hook) => `--customize-hook=${hook}`);
  const args = ['--quiet', '--format=tar', ...debianOptions, include, ...hooks, content.suite, archive, await debianMirror()];
  await runCommand('mmdebstrap', args, { env: { MCADS_IMAGE_FILES: postgresFiles } });
}

async function registryAnswers(dockerHost: string): Promise<boolean> {
  return commandWorks('docker', ['pull', '--quiet', 'busybox:stable'], { ...dockerOf(dockerHost), signal: AbortSignal.timeout(30_000) });
}

function dockerOf(dockerHost: string): { readonly env: Readonly<Record<string, string | undefined>> } {
  return { env: { DOCKER_HOST: dockerHost, DOCKER_CONTEXT: undefined } };
}
