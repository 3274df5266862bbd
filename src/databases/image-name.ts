import type { EngineContainer } from '../domain/engine-model.ts';

/**
 * The names an image goes by, without registry, `library/`, tag and digest: `postgres`, `bitnami/postgresql`.
 * Several where it was pulled by digest and tagged too; none for a bare image id.
 */
export function imageNames(container: Pick<EngineContainer, 'image' | 'imageTags' | 'imageDigests'>): readonly string[] {
  const names = [container.image, ...container.imageTags, ...container.imageDigests].map(bareName).filter((name) => name !== '');
  return [...new Set(names)];
}

function bareName(reference: string): string {
  if (/^(sha256:)?[0-9a-f]{12,64}$/.test(reference)) return '';
  const path = (reference.split('@', 1)[0] ?? '').replace(/:[^/:]*$/, '').split('/');
  const first = path[0] ?? '';
  if (path.length > 1 && (first.includes('.') || first.includes(':') || first === 'localhost')) path.shift();
  if (path.length > 1 && path[0] === 'library') path.shift();
  return path.join('/').toLowerCase();
}
