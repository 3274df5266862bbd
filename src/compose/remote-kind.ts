import { cut } from './dotenv.ts';

/** What kind of remote resource Compose would take this reference for; undefined for a path. */
export function remoteKind(reference: string): 'Git repository' | 'OCI artifact' | 'web address' | undefined {
  if (reference.startsWith('oci://')) return 'OCI artifact';
  const [path] = cut(reference, '#');
  if (/^(git:\/\/|git@|ssh:\/\/|github\.com\/)/.test(reference) || (/^https?:\/\//.test(reference) && path.endsWith('.git'))) {
    return 'Git repository';
  }
  return /^https?:\/\//.test(reference) ? 'web address' : undefined;
}
