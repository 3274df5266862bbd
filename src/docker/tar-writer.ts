/** A file for `packTar`. Paths have no leading slash and at most 100 bytes. */
export interface PackedFile {
  readonly path: string;
  readonly content: Uint8Array | null;
  readonly mode: number;
}

const BLOCK = 512;

/** A small ustar archive in memory: files, and directories where `content` is null. Owner 0:0, time 0, so equal content gives equal bytes. */
export function packTar(files: readonly PackedFile[]): Buffer {
  const parts: Buffer[] = [];
  for (const { path, content, mode } of files) {
    const size = content?.length ?? 0;
    parts.push(header(content === null ? `${path}/` : path, size, mode, content === null ? '5' : '0'));
    if (content !== null) parts.push(Buffer.from(content), Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK));
  }
  parts.push(Buffer.alloc(2 * BLOCK));
  return Buffer.concat(parts);
}

function header(path: string, size: number, mode: number, type: '0' | '5'): Buffer {
  if (Buffer.byteLength(path) > 100) throw new RangeError(`too long for a tar header: ${path}`);
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number): void => void block.write(value.toString(8).padStart(length - 1, '0'), at);
  block.write(path, 0);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.fill(' ', 148, 156);
  block.write(type, 156);
  block.write('ustar\x0000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
