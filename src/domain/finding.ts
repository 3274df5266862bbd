export type Severity = 'info' | 'warning' | 'error';

/** Something the user should know. `code` is stable kebab-case for scripts; `subject` is a component id, path or setting. */
export interface Finding {
  readonly severity: Severity;
  readonly code: string;
  readonly subject: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** State that exists and is not in the snapshot, with the reason. */
export interface Uncovered {
  readonly subject: string;
  readonly reason: string;
  /** Nothing is lost by it: it lives in memory, holds no state, or was left out on purpose. */
  readonly harmless?: true | undefined;
}

export function hasErrors(findings: readonly Finding[]): boolean {
  return findings.some((finding) => finding.severity === 'error');
}
