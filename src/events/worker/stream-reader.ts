import { BridgeError, coerceError, UpstreamError } from '../../errors.ts';
import type { Availability } from '../../lib/health/availability.ts';
import { fullJitterMs, sleep as realSleep, type Sleep } from '../../lib/retry.ts';
import type { EventSource, StreamItem } from '../ports.ts';

export interface StreamReaderOptions {
  readonly source: EventSource;
  /** Reports the dependency `stream`. */
  readonly availability: Availability;
  /** Use this subscription and never create one. */
  readonly subscriptionId?: string | undefined;
  /** The id of the subscription that an earlier run created. */
  readonly recall: () => string | undefined;
  readonly remember: (subscriptionId: string) => void;
  /** Takes one chunk of the stream; a promise holds the stream back until it resolves. */
  readonly onItems: (
    items: readonly StreamItem[],
    signal: AbortSignal,
  ) => Promise<void> | undefined;
  /** Bounds of the back-off between connections, in milliseconds. */
  readonly retry: { readonly baseMs: number; readonly capMs: number };
  /** A connection that lasted so long starts the back-off anew, in milliseconds. Default 10 s. */
  readonly healthyAfterMs?: number | undefined;
  readonly now?: (() => number) | undefined;
  readonly random?: (() => number) | undefined;
  readonly sleep?: Sleep | undefined;
}

export interface StreamStatus {
  readonly state: 'stopped' | 'connecting' | 'connected' | 'waiting';
  readonly subscriptionId: string | undefined;
  /** ISO 8601. */
  readonly connectedSince: string | undefined;
  readonly connections: number;
}

/** Keeps one connection to the event stream, across subscriptions that vanish and connections that break. */
export interface StreamReader {
  /** Reads until the signal aborts, then throws its reason; nothing else ends it. */
  run(signal: AbortSignal): Promise<never>;
  readonly status: StreamStatus;
}

const CONSEQUENCE = 'no new events are taken; connecting again';

export function createStreamReader(options: StreamReaderOptions): StreamReader {
  const { source, availability, remember, onItems, retry } = options;
  const { healthyAfterMs = 10_000, now = Date.now, random = Math.random } = options;
  const sleep = options.sleep ?? realSleep;
  let subscriptionId = options.subscriptionId ?? options.recall();
  let state: StreamStatus['state'] = 'stopped';
  let connectedAtMs: number | undefined;
  let connections = 0;
  /** Whether the id was good before, so that a 404 means that the subscription is gone. */
  let trusted = subscriptionId !== undefined;

  /** One connection to its end. */
  async function connect(signal: AbortSignal): Promise<void> {
    state = 'connecting';
    if (subscriptionId === undefined) {
      subscriptionId = await source.subscribe(signal);
      trusted = false;
      remember(subscriptionId);
    }
    const stream = await source.stream(subscriptionId, signal);
    state = 'connected';
    trusted = true;
    connections += 1;
    connectedAtMs = now();
    availability.up(`subscription ${subscriptionId}`);
    for await (const items of stream) {
      if (items.length === 0) continue;
      const held = onItems(items, signal);
      if (held !== undefined) await held;
    }
    throw new BridgeError('The event stream was ended by the other side', {
      code: 'stream_ended',
      kind: 'retry',
    });
  }

  /** How long to wait before the next connection, in milliseconds. */
  function delayAfter(error: Error, failures: number): number {
    if (error instanceof UpstreamError && error.retryAfterMs !== undefined) {
      return error.retryAfterMs;
    }
    if (error instanceof BridgeError && error.kind === 'systemic') {
      return retry.capMs * (0.5 + random() / 2);
    }
    return fullJitterMs(retry, failures, random);
  }

  function isGone(error: Error): boolean {
    return error instanceof BridgeError && error.code === 'genesys_not_found';
  }

  async function run(signal: AbortSignal): Promise<never> {
    let failures = 0;
    for (;;) {
      try {
        await connect(signal);
      } catch (thrown) {
        const lastedMs = connectedAtMs === undefined ? 0 : now() - connectedAtMs;
        connectedAtMs = undefined;
        if (signal.aborted) {
          state = 'stopped';
          throw signal.reason;
        }
        state = 'waiting';
        if (lastedMs >= healthyAfterMs) failures = 0;
        failures += 1;
        let error = coerceError(thrown);
        if (isGone(error) && options.subscriptionId !== undefined) {
          error = new BridgeError(
            `EVENT_SUBSCRIPTION_ID: Genesys Cloud does not know the subscription ${options.subscriptionId}; ` +
              'correct the setting, or unset it to have one created',
            { code: 'subscription_not_found', kind: 'systemic', cause: error },
          );
        } else if (isGone(error)) {
          subscriptionId = undefined;
          if (trusted) {
            availability.down(error, 'the subscription is gone; creating a new one');
            continue;
          }
        }
        availability.down(error, CONSEQUENCE);
        await sleep(delayAfter(error, failures), signal);
      }
    }
  }

  return {
    run,
    get status() {
      return {
        state,
        subscriptionId,
        connectedSince:
          connectedAtMs === undefined ? undefined : new Date(connectedAtMs).toISOString(),
        connections,
      };
    },
  };
}
