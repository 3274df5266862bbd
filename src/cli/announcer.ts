/** Lines on stderr from outside a command; a progress view takes them over while it draws. */
export interface Announcer {
  say: (line: string) => void;
  /** Gives the terminal back, before a hard exit. */
  release: () => void;
}
