import type { Bytes } from '../domain/byte-stream.ts';
import { McadsError, messageOf } from '../errors.ts';
import type { EngineClient } from './engine-client.ts';
import { sendTar } from './send-tar.ts';

/** One line of what the engine tells while it loads or pulls. */
interface ProgressLine {
  readonly error?: string;
}

/** What `Engine.loadImage` promises. */
export async function loadImage(client: EngineClient, tar: Bytes, signal: AbortSignal): Promise<void> {
  const doing = 'loading an image';
  const answer = await failing(() => sendTar(client, 'POST', '/images/load', { quiet: true }, tar, doing, signal));
  assertNoError(answer, doing);
}

/** What `Engine.pullImage` promises. */
export async function pullImage(client: EngineClient, digest: string, tags: readonly string[], signal: AbortSignal): Promise<void> {
  const doing = `pulling ${digest}`;
  const at = digest.indexOf('@');
  if (at < 0) throw new McadsError('unexpected', `${digest} is no digest`);
  const query = { fromImage: digest.slice(0, at), tag: digest.slice(at + 1) };
  const answer = await failing(async () => {
    const response = await client.request('POST', '/images/create', { query }, doing, signal);
    let text = '';
    for await (const chunk of response as AsyncIterable<Buffer>) text += chunk.toString(); // a response without encoding yields buffers
    return text;
  });
  assertNoError(answer, doing);
  for (const tag of tags) {
    const colon = tag.lastIndexOf(':');
    const named = { repo: tag.slice(0, colon), tag: tag.slice(colon + 1) };
    await client.send('POST', `/images/${encodeURIComponent(digest)}/tag`, { query: named }, `naming ${digest} ${tag}`, signal);
  }
}

/** The engine answers 200 before it begins: how it went is in the lines. */
function assertNoError(answer: string, doing: string): void {
  for (const line of answer.split('\n')) {
    if (line.trim() === '') continue;
    let told: ProgressLine;
    try {
      told = JSON.parse(line) as ProgressLine; // as documented
    } catch (error) {
      throw new McadsError('component-failed', `${doing}: the engine's answer is cut short`, { cause: error });
    }
    if (told.error !== undefined) throw new McadsError('component-failed', `${doing}: ${told.error}`);
  }
}

async function failing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof McadsError) || error.code !== 'engine-failed') throw error;
    throw new McadsError('component-failed', messageOf(error), { cause: error, context: error.context });
  }
}
