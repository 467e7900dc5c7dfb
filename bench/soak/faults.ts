import type { FaultRule } from '../../src/sandbox/faults.ts';
import type { Control } from '../../test/support/control.ts';

/** Something that goes wrong for a while, on the side of Genesys or of AWS. */
export interface Fault {
  readonly name: string;
  /** Rules of the sandbox while it lasts. */
  readonly rules?: readonly FaultRule[];
  /** Done when it begins, `again` so many milliseconds later while it lasts. */
  readonly act?: (control: Control) => Promise<unknown>;
  readonly again?: number;
}

const BATCH = 'genesys.customattributes.batch';
const STREAM = 'genesys.stream';
const PUT = 'aws.events.PutEvents';

const revokeTokens = (control: Control) => control.post('/tokens/revoke');

async function deleteSubscriptions(control: Control): Promise<void> {
  const { subscriptions } = await control.get<{ subscriptions: string[] }>('/stream');
  for (const id of subscriptions) await control.remove(`/subscriptions/${encodeURIComponent(id)}`);
}

const onStream = (kind: NonNullable<FaultRule['stream']>['kind'], times: number): FaultRule[] => [
  { target: STREAM, stream: { kind, afterEvents: 20 }, times },
];

export const GENESYS_FAULTS: readonly Fault[] = [
  { name: '401 once: token revoked', act: revokeTokens },
  { name: '401 storm: revoked 5 times a second', act: revokeTokens, again: 200 },
  { name: '401 once: one call', rules: [{ target: 'genesys', status: 401, times: 1 }] },
  {
    name: 'token endpoint 503',
    rules: [{ target: 'genesys.token', status: 503 }],
    act: revokeTokens,
  },
  { name: '403 everywhere', rules: [{ target: 'genesys', status: 403 }] },
  { name: '403 on the stream, cut', rules: [{ target: STREAM, status: 403 }], act: cutStreams },
  {
    name: '429, Retry-After 1',
    rules: [{ target: 'genesys', status: 429, retryAfter: '1', rate: 0.5 }],
  },
  { name: 'Genesys 500', rules: [{ target: 'genesys', status: 500, rate: 0.5 }] },
  { name: 'Genesys away: 503, cut', rules: [{ target: 'genesys', status: 503 }], act: cutStreams },
  { name: "a proxy's 502 page", rules: [{ target: 'genesys', html: true, rate: 0.5 }] },
  { name: 'Genesys slow: 700 ms', rules: [{ target: 'genesys', latencyMs: 700 }] },
  { name: 'reset before the answer', rules: [{ target: 'genesys', reset: 'before', rate: 0.3 }] },
  { name: 'reset after the work', rules: [{ target: 'genesys', reset: 'after', rate: 0.3 }] },
  { name: 'reset in the answer', rules: [{ target: 'genesys', reset: 'middle', rate: 0.3 }] },
  { name: 'writes never answered', rules: [{ target: BATCH, hang: true, rate: 0.3 }] },
  {
    name: 'entities refused for now',
    rules: [{ target: BATCH, entryFailures: { code: '503', rate: 0.05 } }],
  },
  { name: 'stream cut', act: cutStreams, again: 700 },
  { name: 'stream cut in a line', rules: onStream('cut-line', 3) },
  { name: 'stream cut in a character', rules: onStream('cut-character', 3) },
  { name: 'stream ends', rules: onStream('end', 2) },
  { name: 'stream silent', rules: onStream('silence', 1) },
  { name: 'stream keeps alive only', rules: onStream('keep-alive-only', 1), act: cutLater },
  { name: 'garbage lines', rules: onStream('garbage', 20) },
  { name: 'line of 2 MiB', rules: onStream('long-line', 1) },
  { name: 'subscription deleted', act: deleteSubscriptions },
];

export const AWS_FAULTS: readonly Fault[] = [
  { name: 'PutEvents 500', rules: [{ target: PUT, status: 500, rate: 0.5 }] },
  { name: 'EventBridge away: 503', rules: [{ target: 'aws.events', status: 503 }] },
  {
    name: 'PutEvents throttled',
    rules: [{ target: PUT, status: 400, code: 'ThrottlingException', rate: 0.5 }],
  },
  {
    name: 'entries fail: InternalFailure',
    rules: [{ target: PUT, entryFailures: { code: 'InternalFailure', rate: 0.4 } }],
  },
  {
    name: 'entries throttled',
    rules: [{ target: PUT, entryFailures: { code: 'ThrottlingException', rate: 0.4 } }],
  },
  { name: 'PutEvents answers lost', rules: [{ target: PUT, reset: 'after', rate: 0.3 }] },
  { name: 'PutEvents never answered', rules: [{ target: PUT, hang: true, rate: 0.2 }] },
  { name: 'PutEvents slow: 800 ms', rules: [{ target: PUT, latencyMs: 800 }] },
  {
    name: 'AWS credentials expired',
    rules: [{ target: 'aws', status: 400, code: 'ExpiredTokenException' }],
  },
  { name: 'SQS away: 503', rules: [{ target: 'aws.sqs', status: 503 }] },
  {
    name: 'queue missing',
    rules: [{ target: 'aws.sqs', status: 400, code: 'QueueDoesNotExist' }],
  },
  { name: 'SQS answers lost', rules: [{ target: 'aws.sqs', reset: 'after', rate: 0.4 }] },
  { name: 'CloudWatch away', rules: [{ target: 'aws.cloudwatch', status: 500 }] },
  { name: 'all of AWS resets', rules: [{ target: 'aws', reset: 'before', rate: 0.5 }] },
];

function cutStreams(control: Control): Promise<unknown> {
  return control.post('/stream/cut');
}

/** Nothing tells such a stream from a quiet night; only its end does. */
async function cutLater(control: Control): Promise<void> {
  setTimeout(() => void cutStreams(control).catch(() => undefined), 2000).unref();
}
