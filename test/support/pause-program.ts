/** Machine code of `for (;;) pause();` by architecture (arm64 has no pause: an endless ppoll). */
const loops: Readonly<Record<string, { readonly machine: number; readonly code: readonly number[] }>> = {
  x64: { machine: 0x3e, code: [0xb8, 0x22, 0x00, 0x00, 0x00, 0x0f, 0x05, 0xeb, 0xf7] },
  arm64: {
    machine: 0xb7,
    // mov x0..x4, #0; mov x8, #73; svc #0; b back to the start
    code: [0xd2800000, 0xd2800001, 0xd2800002, 0xd2800003, 0xd2800004, 0xd2800928, 0xd4000001, 0x17fffff9].flatMap((word) => [
      word & 0xff,
      (word >>> 8) & 0xff,
      (word >>> 16) & 0xff,
      word >>> 24,
    ]),
  },
};

/** A whole ELF program that sleeps for ever: the only file of an image without a shell, made without a compiler. */
export function pauseProgram(arch: string): Uint8Array {
  const loop = loops[arch];
  if (loop === undefined) throw new Error(`no test program for the ${arch} architecture`);
  const headerBytes = 64;
  const segmentBytes = 56;
  const base = 0x400000n;
  const entry = headerBytes + segmentBytes;
  const file = Buffer.alloc(entry + loop.code.length);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(2, 16); // an executable
  file.writeUInt16LE(loop.machine, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(base + BigInt(entry), 24);
  file.writeBigUInt64LE(BigInt(headerBytes), 32);
  file.writeUInt16LE(headerBytes, 52);
  file.writeUInt16LE(segmentBytes, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt16LE(64, 58);
  file.writeUInt32LE(1, headerBytes); // to be loaded
  file.writeUInt32LE(5, headerBytes + 4); // read and execute
  file.writeBigUInt64LE(base, headerBytes + 16);
  file.writeBigUInt64LE(base, headerBytes + 24);
  file.writeBigUInt64LE(BigInt(file.length), headerBytes + 32);
  file.writeBigUInt64LE(BigInt(file.length), headerBytes + 40);
  file.writeBigUInt64LE(0x10000n, headerBytes + 48);
  file.set(loop.code, entry);
  return file;
}
