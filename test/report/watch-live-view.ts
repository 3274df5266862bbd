/** For the eye: plays the fake backup in real time. `node test/report/watch-live-view.ts [plain]`, in wide and narrow terminals. */
import { setTimeout as wait } from 'node:timers/promises';
import { createLiveView } from '../../src/report/live-view.ts';
import { createPlainView } from '../../src/report/plain-view.ts';
import { createStyle, wantsColor } from '../../src/report/style.ts';
import { fakeBackup } from './fake-events.ts';

const style = createStyle(wantsColor(process.stderr, true, process.env), process.stderr.columns);
const view = process.argv[2] === 'plain' ? createPlainView(process.stderr, style, true) : createLiveView(process.stderr, style, false);
const started = performance.now();
for (const { at, event } of fakeBackup()) {
  await wait(Math.max(0, at - (performance.now() - started)));
  view.show(event);
}
view.close();
