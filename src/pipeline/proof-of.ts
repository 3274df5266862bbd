import type { SnapshotRepository } from '../domain/ports.ts';

/** Level of a snapshot's best drill; null: never drilled. */
export async function proofOf(repository: SnapshotRepository, name: string): Promise<string | null> {
  const proof = (await repository.snapshots()).find((snapshot) => snapshot.name === name)?.proof ?? null;
  if (proof === null) return null;
  return proof.failed === true || proof.level === null ? 'failed' : `L${proof.level}`;
}
