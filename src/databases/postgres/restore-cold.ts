import type { JsonValue } from '../../domain/byte-stream.ts';
import type { DatabaseTarget } from '../../domain/database-ports.ts';
import { failed } from './failures.ts';

/** Catalog version numbers of the released major versions. */
const MAJORS: Readonly<Record<string, number>> = {
  '201707211': 10,
  '201809051': 11,
  '201909212': 12,
  '202007201': 13,
  '202107181': 14,
  '202209061': 15,
  '202307071': 16,
  '202406281': 17,
  '202506291': 18,
};

/** A cluster's files are only for the major version that wrote them. Pure; passes where either version is not known. */
export function checkCold(target: Pick<DatabaseTarget, 'service' | 'container'>, facts: Readonly<Record<string, JsonValue>>): void {
  const catalog = facts['catalogVersion'];
  const written = typeof catalog === 'string' ? MAJORS[catalog] : undefined;
  const { imageEnvironment, image } = target.container;
  const told = imageEnvironment['PG_MAJOR'] ?? imageEnvironment['PG_VERSION'] ?? imageEnvironment['APP_VERSION'] ?? '';
  const reads = Number.parseInt(told, 10);
  if (written === undefined || Number.isNaN(reads) || written === reads) return;
  throw failed(
    target.service,
    `the snapshot holds the files of a PostgreSQL ${written} cluster, and the image ${image} is PostgreSQL ${reads}`,
    `use an image of PostgreSQL ${written} for this service`,
  );
}
