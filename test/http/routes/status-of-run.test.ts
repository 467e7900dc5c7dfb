import { expect, test } from 'vitest';
import type { RecordCounts, RunOutcome } from '../../../src/attributes/record-fates.ts';
import { BridgeError, UpstreamError } from '../../../src/errors.ts';
import { statusOfRun } from '../../../src/http/routes/map/status-of-run.ts';

const NONE: RecordCounts = { written: 0, rejected: 0, failed: 0, superseded: 0, unchanged: 0 };
const away = new UpstreamError('away', {
  service: 'genesys',
  code: 'genesys_timeout',
  kind: 'retry',
  timedOut: true,
});
const stopping = new BridgeError('stopping', { code: 'import_aborted', kind: 'retry' });

test.each<readonly [string, Partial<RunOutcome>, number]>([
  ['all is well', { success: true }, 200],
  ['a part is written', { counts: { ...NONE, written: 1, failed: 1 }, refused: false }, 207],
  ['a part is unchanged', { counts: { ...NONE, unchanged: 1, rejected: 1 } }, 207],
  ['a part is written when it stops', { counts: { ...NONE, written: 1 }, failure: away }, 207],
  ['Genesys is away', { counts: { ...NONE, failed: 2 }, failure: away, refused: false }, 504],
  ['the service stops', { failure: stopping, refused: false }, 503],
  ['a bug ends it', { failure: new TypeError('x') }, 500],
  ['nothing was valid', { counts: { ...NONE, rejected: 3 } }, 400],
  ['every record was refused', { counts: { ...NONE, failed: 3 } }, 400],
  ['every record failed', { counts: { ...NONE, failed: 3 }, refused: false }, 502],
])('%s', (_name, outcome, status) => {
  const ended = { counts: NONE, success: false, failure: undefined, refused: true, ...outcome };
  expect(statusOfRun(ended)).toBe(status);
});
