import type { Bytes } from '../../domain/byte-stream.ts';
import type { DatabaseIo } from '../../domain/database-ports.ts';
import type { ExecOptions } from '../../domain/ports.ts';
import { McadsError } from '../../errors.ts';

export interface ToolResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const LIMIT = 64 * 1024 * 1024;

/** Runs a small command in the container and hands back all it said. For answers, not for data. */
export async function runTool(
  io: Pick<DatabaseIo, 'engine' | 'signal'>,
  container: string,
  argv: readonly string[],
  options: ExecOptions = {},
): Promise<ToolResult> {
  const handle = await io.engine.exec(container, argv, options, io.signal);
  const stdout = await readText(handle.stdout, `the answer of ${argv[0] ?? ''}`);
  const exit = await handle.exit;
  return { code: exit.code, stdout, stderr: exit.stderr };
}

export async function readText(bytes: Bytes, what: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of bytes) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > LIMIT) throw new McadsError('component-failed', `${what} is larger than ${LIMIT} bytes`);
  }
  return text + decoder.decode();
}

/** Exit codes with which the engine says that a command could not be started. */
export function isMissing(code: number): boolean {
  return code === 126 || code === 127;
}
