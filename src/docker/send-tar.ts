import { Readable } from 'node:stream';
import type { Bytes } from '../domain/byte-stream.ts';
import { toEngineError } from './engine-errors.ts';
import type { EngineClient, Method } from './engine-client.ts';

/** Streams a tar to the engine and resolves with the text of its answer. A source that fails breaks the request off, and its error is thrown. */
export async function sendTar(
  client: EngineClient,
  method: Method,
  path: string,
  query: Readonly<Record<string, string | boolean>>,
  tar: Bytes,
  doing: string,
  signal: AbortSignal,
): Promise<string> {
  const stop = new AbortController();
  const failure: { error: unknown; told: boolean } = { error: undefined, told: false };
  const watched = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield* tar;
    } catch (error) {
      failure.error = error;
      failure.told = true;
      stop.abort(error);
      throw error;
    }
  };
  const file = Readable.from(watched(), { objectMode: false, highWaterMark: 256 * 1024 });
  file.on('error', () => undefined); // told below
  const inner = AbortSignal.any([signal, stop.signal]);
  try {
    const response = await client.request(method, path, { query, file }, doing, inner);
    let answer = '';
    for await (const chunk of response as AsyncIterable<Buffer>) answer += chunk.toString(); // a response without encoding yields buffers
    if (failure.told) throw failure.error;
    return answer;
  } catch (error) {
    throw failure.told ? failure.error : toEngineError(error, doing, client.endpoint, signal);
  } finally {
    file.destroy();
  }
}
