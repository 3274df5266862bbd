import { resolveEndpoint, type EndpointOptions } from './endpoint.ts';

/**
 * Whether an engine is configured or present, without connecting to it: `absent` only where neither DOCKER_HOST nor a
 * context is set and no socket lies in the default places. Rejects `config` for a context that does not exist.
 */
export async function findEngine(options: EndpointOptions): Promise<'absent' | { readonly endpoint: string; readonly from: string }> {
  const { endpoint, exists } = await resolveEndpoint(options);
  return exists ? { endpoint: endpoint.printable, from: endpoint.from } : 'absent';
}
