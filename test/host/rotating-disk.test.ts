import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { rotatingDisk } from '../../src/host/rotating-disk.ts';

/** A folder laid out as /sys is: \`dev/block\` leads to the devices below \`devices\`. */
let sys: string;
beforeEach(() => {
  sys = mkdtempSync(join(tmpdir(), 'mcads-sys-'));
});
afterEach(() => rmSync(sys, { recursive: true, force: true }));

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(sys, name)), { recursive: true });
    writeFileSync(join(sys, name), `${content}\n`);
  }
}

/** This machine's temporary folder lies on that device. */
async function diskAt(device: string): Promise<string | null> {
  const { dev } = statSync(sys);
  mkdirSync(join(sys, 'dev/block'), { recursive: true });
  symlinkSync(
    join('../..', device),
    join(sys, 'dev/block', `${Math.floor(dev / 256) % 4096}:${(dev % 256) + Math.floor(dev / 1_048_576) * 256}`),
  );
  return rotatingDisk(sys, join(sys, 'dev/block'));
}

const SDA = { 'devices/sda/queue/rotational': '1', 'devices/sda/device/vendor': 'ATA', 'devices/sda/device/model': 'WDC WD40EFRX-68N' };

test('a disk that rotates is told by its name', async () => {
  write(SDA);
  expect(await diskAt('devices/sda')).toBe('sda');
});

test('a partition is its disk, and a volume of the device mapper the first disk below', async () => {
  write({ ...SDA, 'devices/sda/sda2/partition': '2', 'devices/dm-0/queue/rotational': '1', 'devices/dm-0/slaves/.keep': '' });
  rmSync(join(sys, 'devices/dm-0/slaves/.keep'));
  symlinkSync('../../sda/sda2', join(sys, 'devices/dm-0/slaves/sda2'));
  expect(await diskAt('devices/dm-0')).toBe('sda');
});

test.for([
  ['does not rotate', { 'devices/sda/queue/rotational': '0' }],
  ['is a virtual machine’s that passes for a real one', { 'devices/sda/device/model': 'QEMU HARDDISK' }],
  ['says nothing', { 'devices/sda/queue/rotational': '' }],
] as const)('a disk that %s is none', async ([, over]) => {
  write({ ...SDA, ...over });
  expect(await diskAt('devices/sda')).toBeNull();
});

test('a virtual machine’s own kind of disk is none, whatever it says', async () => {
  write({ 'devices/vda/queue/rotational': '1', 'devices/vda/vda1/partition': '1' });
  expect(await diskAt('devices/vda/vda1')).toBeNull();
});

test('nothing is known of a path that is not there, and of filesystems without a device', async () => {
  expect(await rotatingDisk(join(sys, 'missing'))).toBeNull();
  expect(await rotatingDisk('/proc')).toBeNull();
  expect(await rotatingDisk(sys, join(sys, 'no-sys'))).toBeNull();
});
