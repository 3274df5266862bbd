import { readFile, readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Disks of virtual machines call themselves rotating whatever they are: the names of their drivers, and the models of those that pass for real ones. */
const VIRTUAL_NAME = /^(?:vd|xvd|nbd|rbd|loop|ram|zram)/;
const VIRTUAL_MODEL = /QEMU|VBOX|VirtualBox|VMware|Virtual|Msft|Google|Amazon|Xen|Nutanix|AliCloud/i;

/**
 * The name of the rotating disk under a path; null for any other, where it is not known (a filesystem with device numbers of its own: btrfs, zfs, network
 * ones), and for disks of virtual machines. Of what the device mapper and md make of several disks it is the first. `devices` is the kernel's
 * `/sys/dev/block`. Never rejects: who does not know reads as if it did not rotate.
 */
export async function rotatingDisk(path: string, devices = '/sys/dev/block'): Promise<string | null> {
  try {
    const { dev } = await stat(path, { bigint: true });
    // As in makedev(3).
    const [major, minor] = [(dev >> 8n) & 0xfffn, (dev & 0xffn) | ((dev >> 12n) & 0xfff00n)];
    const disk = await lowest(await realpath(join(devices, `${major}:${minor}`)));
    const name = basename(disk);
    if (VIRTUAL_NAME.test(name) || (await textOf(join(disk, 'queue/rotational'))) !== '1') return null;
    const model = `${await textOf(join(disk, 'device/vendor'))} ${await textOf(join(disk, 'device/model'))}`;
    return VIRTUAL_MODEL.test(model) ? null : name;
  } catch {
    return null;
  }
}

/** From a partition to its disk, and from what was made of disks to the first of them. */
async function lowest(device: string): Promise<string> {
  const disk = (await textOf(join(device, 'partition'))) === '' ? device : dirname(device);
  const [first] = (await readdir(join(disk, 'slaves')).catch((): string[] => [])).toSorted();
  return first === undefined ? disk : lowest(await realpath(join(disk, 'slaves', first)));
}

async function textOf(file: string): Promise<string> {
  return (await readFile(file, 'utf8').catch(() => '')).trim();
}
