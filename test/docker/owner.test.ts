import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ownContainerId } from '../../src/docker/own-container.ts';
import { describeSelf, ownerLabel, parseOwner, pidNamespace, processStart } from '../../src/docker/owner.ts';
import { removeDeadPipeFolders } from '../../src/docker/pipe-folder.ts';

test('our own container is found in the mounts of a container’s network files', () => {
  const id = 'ab'.repeat(32);
  const line = (root: string, target: string): string => `812 800 254:0 ${root} ${target} rw,relatime - ext4 /dev/vda rw`;
  expect(ownContainerId(line(`/var/lib/docker/containers/${id}/hostname`, '/etc/hostname'))).toBe(id);
  expect(ownContainerId(line(`/containers/overlay-containers/${id}/userdata/resolv.conf`, '/etc/resolv.conf'))).toBe(id);
  expect(ownContainerId(line(`/var/lib/docker/containers/${id}/hostname`, '/backup/x'))).toBeNull();
  expect(ownContainerId(line('/', '/'))).toBeNull();
});

test('an owner’s label reads back, anything else is nobody', async () => {
  const self = await describeSelf(null, '1.2.3');
  expect(parseOwner(ownerLabel(self))).toEqual(self);
  expect(parseOwner({ 'mcads.owner': '{"run":1}' })).toBeNull();
  expect(parseOwner(null)).toBeNull();
});

test.runIf(process.platform === 'linux')('folders of FIFOs are removed when their process is dead, and only then', async () => {
  const base = await mkdtemp(join(tmpdir(), 'mcads-owner-'));
  const child = spawn('sleep', ['1000']);
  await once(child, 'spawn');
  const dead = { pid: child.pid ?? 0, start: await processStart(child.pid ?? 0) };
  child.kill('SIGKILL');
  await once(child, 'exit');
  const space = (await pidNamespace()) ?? '';
  const living = `mcads-pipes-${space}-${process.pid}-${(await processStart(process.pid)) ?? ''}-aaaaaa`;
  const elsewhere = `mcads-pipes-1-${dead.pid}-1-aaaaaa`;
  for (const name of [`mcads-pipes-${space}-${dead.pid}-${dead.start ?? ''}-aaaaaa`, living, elsewhere, 'mcads-pipes-', 'other'])
    await mkdir(join(base, name));
  await removeDeadPipeFolders(base);
  expect((await readdir(base)).sort()).toEqual([elsewhere, living, 'mcads-pipes-', 'other'].sort());
  await rm(base, { recursive: true });
});
