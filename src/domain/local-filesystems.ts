/** ext2–4, XFS, btrfs, tmpfs, overlayfs, F2FS, ZFS, bcachefs: `f_type` of statfs(2). */
const LOCAL_FILESYSTEMS: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0xf2f52010, 0x2fc12fc1, 0xca451a4e,
]);

/** Whether this kernel alone decides about the filesystem's locks. */
export function isLocalFilesystem(type: number): boolean {
  return LOCAL_FILESYSTEMS.has(type >>> 0);
}
