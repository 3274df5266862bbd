/** What a deployment never needs to change and a test does. */
export interface PostgresOptions {
  readonly lockTimeoutMs: number;
  readonly lockAttempts: number;
  readonly lockDelayMs: number;
  /** Live counts may take this share of the dump's time, and at least `countFloorMs`. */
  readonly countShare: number;
  readonly countFloorMs: number;
}

export const POSTGRES_DEFAULTS: PostgresOptions = {
  lockTimeoutMs: 60_000,
  lockAttempts: 3,
  lockDelayMs: 5_000,
  countShare: 0.1,
  countFloorMs: 1_000,
};
