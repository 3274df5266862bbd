import type { DatabaseAdapter } from '../domain/database-ports.ts';
import { createPostgresAdapter } from './postgres.ts';

/** Every database technology that can be dumped. Adding one is a file and a line here. */
export const databaseAdapters: readonly DatabaseAdapter[] = [createPostgresAdapter()];
