import type { RestorePorts, RestoreRequest } from './restore-requests.ts';
import type { UndoTools } from './undo-restore.ts';

/** Going back works by the same means as going forth. */
export function undoToolsOf(request: RestoreRequest, { adapters, hostWriter, events }: RestorePorts): UndoTools {
  const { transport, helperImage, healthTimeoutMs } = request;
  return { adapters, hostWriter, events, healthTimeoutMs, tree: { transport, helperImage } };
}
