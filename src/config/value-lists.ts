/* What settings and options may be; apart from the schema, so that the command line knows them without loading what checks a file. */
export const STRATEGIES = ['auto', 'docker', 'host'] as const;
export const TRANSPORTS = ['auto', 'pipe', 'attach', 'archive'] as const;
export const QUIESCE_MODES = ['none', 'pause', 'stop'] as const;
export const PROGRESS_MODES = ['auto', 'tty', 'plain', 'quiet'] as const;
