import { writeFile, truncate, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { commandWorks, runCommand } from './run-command.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** A filesystem of its own under `path`, unmounted and removed at the end. */
export interface MountedFilesystem extends AsyncDisposable {
  readonly path: string;
  remount(options: string): Promise<void>;
  /** Stops all writing to the image at once, as a power cut does: nothing that was not flushed reaches it any more. */
  stopWriting(): Promise<void>;
  /** Mounts what is left; nothing may be open any more. */
  comeBack(): Promise<void>;
}

/** Whether this process may mount filesystems; the tests that need it say so in their titles. */
export async function canMount(): Promise<boolean> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  await using folder = await temporaryFolder();
  const works = await commandWorks('mount', ['-t', 'tmpfs', 'none', folder.path]);
  if (works) await runCommand('umount', [folder.path]);
  return works && (await commandWorks('mkfs.ext4', ['-V'])) && (await commandWorks('perl', ['-e', '1']));
}

export async function mountTmpfs(size: string): Promise<MountedFilesystem> {
  return mounted(['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'none']);
}

/** ext4 in a file behind a loop device. */
export async function mountExt4(megabytes: number): Promise<MountedFilesystem> {
  const folder = await temporaryFolder('mcads-image-');
  const image = join(folder.path, 'image');
  await writeFile(image, '');
  await truncate(image, megabytes * 1024 * 1024);
  await runCommand('mkfs.ext4', ['-q', '-F', image]);
  return mounted(['-o', 'loop', image], folder);
}

async function mounted(source: readonly string[], image?: AsyncDisposable): Promise<MountedFilesystem> {
  const folder = await temporaryFolder('mcads-mount-');
  const path = join(folder.path, 'mounted');
  await mkdir(path);
  await runCommand('mount', [...source, path]);
  return {
    path,
    remount: async (options) => void (await runCommand('mount', ['-o', `remount,${options}`, path])),
    stopWriting: async () => {
      // FS_IOC_SHUTDOWN (EXT4_IOC_SHUTDOWN) with NOLOGFLUSH: the journal is not written out either.
      const shutdown = 'open(my $d, "<", $ARGV[0]) or die $!; my $flags = pack("L", 2); ioctl($d, 0x8004587d, $flags) or die $!';
      await runCommand('perl', ['-e', shutdown, path]);
    },
    comeBack: async () => {
      await unmount(path);
      await runCommand('mount', [...source, path]);
    },
    [Symbol.asyncDispose]: async () => {
      await unmount(path);
      await folder[Symbol.asyncDispose]();
      await image?.[Symbol.asyncDispose]();
    },
  };
}

/** File operations that failed may still be on their way out of the thread pool and keep the filesystem busy (status 32) for a moment. */
async function unmount(path: string): Promise<void> {
  for (let looks = 0; looks < 200; looks += 1) {
    if ((await runCommand('umount', [path], { accept: [32] })).code === 0) return;
  }
  throw new Error(`${path} stays busy`);
}
