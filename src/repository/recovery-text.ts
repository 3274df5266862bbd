/** The text of `RECOVERY.md`. */
export const RECOVERY_TEXT = '# How to get everything back without the tool\n';
