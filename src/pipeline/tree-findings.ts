import type { Finding, Severity } from '../domain/finding.ts';
import type { RawPath } from '../domain/tree.ts';
import { printableRaw } from '../stream/catalogue.ts';

/** Of each kind this many are listed one by one; the rest is counted. */
const LISTED = 25;
/** More unreadable paths than these belong to somebody who reads the messages. */
const KNOWN = 1000;

/** Findings about paths of one tree, in bounded memory. */
export class TreeFindings {
  readonly #listed: Finding[] = [];
  readonly #counts = new Map<string, { severity: Severity; count: number }>();
  readonly #unread = new Set<string>();
  #hasMoreUnread = false;

  add(severity: Severity, code: string, path: RawPath | null, message: string, hint?: string): void {
    const subject = path === null ? '.' : printableRaw(path);
    if (code === 'unreadable' && path !== null) this.#noteUnread(path, subject);
    // What is read again may be told again.
    if (path !== null && this.#listed.some((finding) => finding.code === code && finding.subject === subject)) return;
    const seen = this.#counts.get(code) ?? { severity, count: 0 };
    seen.count += 1;
    this.#counts.set(code, seen);
    if (seen.count > LISTED) return;
    this.#listed.push({
      severity,
      code,
      subject,
      message: path === null ? message : `${subject}: ${message}`,
      ...(hint === undefined ? {} : { hint }),
    });
  }

  /** What is there and could not be read, so that a restore does not take it for deleted. `hasMore`: there is more than is named. */
  unread(): { readonly names: readonly string[]; readonly hasMore: boolean } {
    return { names: [...this.#unread], hasMore: this.#hasMoreUnread };
  }

  /** By a name that a restore finds it by: not all can be told in JSON as they are. */
  #noteUnread(path: RawPath, subject: string): void {
    if (Buffer.from(subject).toString('latin1') === path && this.#unread.size < KNOWN) this.#unread.add(subject);
    else if (!this.#unread.has(subject)) this.#hasMoreUnread = true;
  }

  list(): readonly Finding[] {
    const more = [...this.#counts]
      .filter(([, { count }]) => count > LISTED)
      .map(([code, { severity, count }]): Finding => ({ severity, code, subject: '.', message: `and ${count - LISTED} more of ${code}` }));
    return [...this.#listed, ...more];
  }
}
