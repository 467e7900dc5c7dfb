/**
 * What this domain asks of the event source (`genesys/`) and of the event bus, queue, schema
 * registry and metrics store (`aws/`), in its own words.
 *
 * Glossary: a *raw event* is what the source sent; *taken* means committed to the journal; an
 * *entry* is a transformed event, ready for the bus; a *dead letter* is an event that cannot be
 * published, with the reason; an event is *settled* when the bus or the dead-letter queue has it.
 *
 * Every call takes an AbortSignal and throws an UpstreamError when it failed.
 */

/** An interaction event as the source sent it; its shape is checked by the filter and the schema. */
export type RawEvent = Readonly<Record<string, unknown>>;

export type StreamItem =
  | { readonly kind: 'event'; readonly event: RawEvent }
  /** A line that is no event: its text (no UTF-8: its bytes as a data URL), and why. */
  | { readonly kind: 'malformed'; readonly text: string; readonly reason: string };

export interface EventSource {
  /**
   * The id of a subscription to high-priority interactions, newly created. Keep it: a later
   * `stream` may use it again.
   */
  subscribe(signal?: AbortSignal): Promise<string>;
  /**
   * Opens the stream; resolves when the source answered. Then one array per network chunk, an
   * empty one for a keep-alive; reading it slowly slows the source down (TCP back-pressure).
   * Ends or throws when the connection ends; reconnecting is the caller's business.
   * Throws `genesys_not_found` when the subscription is gone, `genesys_stream_silent` when not one
   * byte came for the configured time.
   */
  stream(
    subscriptionId: string,
    signal: AbortSignal,
  ): Promise<AsyncIterable<readonly StreamItem[]>>;
}

/** One event for the bus. */
export interface BusEntry {
  readonly source: string;
  readonly detailType: string;
  /** JSON text of an object. */
  readonly detail: string;
  readonly time: Date;
  readonly resources: readonly string[];
  /** W3C trace context, at most 500 characters. */
  readonly traceHeader?: string;
}

export type PutOutcome =
  | { readonly accepted: true }
  | {
      readonly accepted: false;
      readonly code: string;
      readonly message: string;
      /** `retry`: this entry may be sent again. `systemic`: nothing would succeed now. */
      readonly kind: 'retry' | 'systemic';
      /** The bus has too much to do: fewer calls at once. */
      readonly throttled: boolean;
    }
  | {
      readonly accepted: false;
      readonly code: string;
      readonly message: string;
      /** This entry never will be accepted. */
      readonly kind: 'reject';
      /** `entry`: it is wrong, and another one for the same event may be right. */
      readonly fault: 'entry' | 'bus';
    };

/** How the bus measures; nothing with which one could send. */
export interface EntryLimits<Entry = BusEntry> {
  /** Of one entry, and of the entries of a call together. */
  readonly maxBytes: number;
  /** The size of an entry as the bus counts it, in bytes. */
  bytesOf(this: void, entry: Entry): number;
}

/** Takes entries in calls of several: the event bus, or the buffer between readers and publishers. */
export interface Outlet<Entry> extends EntryLimits<Entry> {
  readonly maxEntries: number;
  /** Entries of one group may be barred where others pass, by a policy of the bus. */
  groupOf(this: void, entry: Entry): string;
  /**
   * Sends up to `maxEntries`; one outcome for each, in their order. Throws an UpstreamError when
   * the call failed as a whole: `reject` = the request was refused, `retry` = unknown or passing.
   */
  put(entries: readonly Entry[], signal?: AbortSignal): Promise<readonly PutOutcome[]>;
  /**
   * Resolves when it exists (a missing bus swallows events without a word), to a remark where that
   * may not be asked: then `put` has to tell.
   */
  check(signal?: AbortSignal): Promise<string | undefined>;
}

export type EventBus = Outlet<BusEntry>;

/** A taken event on its way from a reader to whoever publishes it. */
export interface BufferedEvent {
  readonly eventId: string;
  /**
   * Two events with the same one within five minutes are one, where the buffer can tell (a FIFO
   * queue). Always the same for one event, so that what is sent again does no harm; another one for
   * a dead letter that is taken again, which would otherwise be swallowed.
   */
  readonly deduplicationId: string;
  /** When it was read from the stream, milliseconds since the epoch. */
  readonly takenAtMs: number;
  readonly event: RawEvent;
}

/**
 * What a message of the buffer holds: an event that a reader took; an event that another sender put
 * there as it is, and that nobody has filtered yet; or something that is neither.
 */
export type HeldContent =
  | ({ readonly kind: 'taken' } & Omit<BufferedEvent, 'deduplicationId'>)
  | { readonly kind: 'raw'; readonly event: RawEvent }
  | { readonly kind: 'unreadable'; readonly text: string; readonly reason: string };

/** Hidden from everybody else until it is settled or given back, or its hold ends. */
export interface HeldMessage {
  readonly receipt: string;
  readonly content: HeldContent;
  /** Of its text, in UTF-16 units. */
  readonly size: number;
  /** When the buffer got it, milliseconds since the epoch. */
  readonly bufferedAtMs: number;
  /** How often it was held, this time included: many times, and it may be what ends processes. */
  readonly holds: number;
}

export interface BufferCounts {
  readonly waiting: number;
  readonly held: number;
  readonly delayed: number;
}

/**
 * The shared buffer between readers and publishers: what it has taken is on several disks. Outcomes
 * of `settle`, `keep` and `giveBack` are one for each receipt, in their order: `undefined` = done,
 * an UpstreamError of the code `buffer_hold_ended` = others may have it by now.
 */
export interface EventBuffer extends Outlet<BufferedEvent> {
  /** Up to `max` messages that nobody holds; waits up to `waitSeconds` for the first. */
  hold(
    options: { readonly max: number; readonly seconds: number; readonly waitSeconds: number },
    signal?: AbortSignal,
  ): Promise<readonly HeldMessage[]>;
  /** The bus or the dead-letter queue has these. */
  settle(receipts: readonly string[], signal?: AbortSignal): Promise<BufferOutcomes>;
  /** Holds them for `seconds`, from now. */
  keep(receipts: readonly string[], seconds: number, signal?: AbortSignal): Promise<BufferOutcomes>;
  /** Others may hold them, after `delaySeconds`. */
  giveBack(
    receipts: readonly string[],
    delaySeconds: number,
    signal?: AbortSignal,
  ): Promise<BufferOutcomes>;
  /** How much is in it, and whether its own settings are right for a buffer. */
  inspect(signal?: AbortSignal): Promise<BufferInspection>;
  /** As `check`, for who holds and settles: what may not be settled must not be held. */
  checkHolding(signal?: AbortSignal): Promise<void>;
}

export interface BufferInspection {
  readonly counts: BufferCounts;
  /** What is wrong with it, and how to mend it: a sentence each. */
  readonly problems: readonly string[];
  readonly remark?: string;
}

export type BufferOutcomes = readonly (Error | undefined)[];

/**
 * Why an event was given up at the stage `publish`: the bus finds the `entry` wrong, refuses it for
 * reasons of the `bus`, or did not take it in all `retries`.
 */
export type RefusalCause = 'entry' | 'bus' | 'retries';

export type DeadLetterStage = 'read' | 'filter' | 'transform' | 'validate' | 'publish';

/** The body of a message in the dead-letter queue; the first four are a contract. */
export interface DeadLetter {
  /** The raw event, or the text of a line that is none; no UTF-8: its bytes as a data URL. */
  readonly originalEvent: unknown;
  readonly error: string;
  /** When it was given up, ISO 8601. */
  readonly timestamp: string;
  readonly retryAttempt: number;
  readonly stage: DeadLetterStage;
  readonly errorCode: string;
  readonly attempts: number;
  /** At the stage `publish`; letters of older versions have none. */
  readonly cause?: RefusalCause | undefined;
  readonly eventId: string;
  /** When the event was taken, ISO 8601. */
  readonly firstSeen: string;
  readonly expressionVersion?: string | undefined;
  readonly schemaVersion?: string | undefined;
  /** The entry, where the transform had succeeded. */
  readonly transformedEvent?: unknown;
  /** Set by the queue: the event was too large and `originalEvent` is only the start of its text. */
  readonly truncated?: true | undefined;
}

export interface ReceivedLetter {
  /** Deletes this receipt of the message. */
  readonly receipt: string;
  readonly messageId: string;
  readonly sentAt: Date;
  readonly receiveCount: number;
  /** The message's text. */
  readonly body: string;
  /** `undefined` when the message is not one of our letters. */
  readonly letter: DeadLetter | undefined;
}

export interface DeadLetterCounts {
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
}

export interface DeadLetterQueue {
  /** Sends any number of letters; one answer for each, in their order: `undefined` = stored. */
  send(
    letters: readonly DeadLetter[],
    signal?: AbortSignal,
  ): Promise<readonly (Error | undefined)[]>;
  /** At most `max`, and fewer when they are large: all of a batch is in memory. */
  receive(
    options: { readonly max: number; readonly visibilitySeconds: number },
    signal?: AbortSignal,
  ): Promise<readonly ReceivedLetter[]>;
  delete(receipts: readonly string[], signal?: AbortSignal): Promise<void>;
  /** Makes messages visible again at once. */
  release(receipts: readonly string[], signal?: AbortSignal): Promise<void>;
  /**
   * Only of a FIFO queue, which gives no more while ten letters are held or stay before the others:
   * sends the messages again as they are, then deletes them. Those that could not be sent are
   * released, before the failure is thrown; none is lost.
   */
  readonly moveToEnd?:
    | ((letters: readonly ReceivedLetter[], signal?: AbortSignal) => Promise<void>)
    | undefined;
  counts(signal?: AbortSignal): Promise<DeadLetterCounts>;
  /** The queue exists and may be asked. */
  check(signal?: AbortSignal): Promise<void>;
}

export interface RegisteredSchema {
  readonly content: string;
  readonly type: 'JSONSchemaDraft4' | 'OpenApi3';
  readonly version: string;
}

export interface SchemaRegistry {
  describe(
    schema: {
      readonly registry: string;
      readonly name: string;
      readonly version?: string | undefined;
    },
    signal?: AbortSignal,
  ): Promise<RegisteredSchema>;
}

/** One metric of one interval; `values` and `counts` run side by side (at most 150 pairs). */
export interface MetricDatum {
  readonly name: string;
  readonly unit: 'Count' | 'Milliseconds';
  readonly timestamp: Date;
  readonly values: readonly number[];
  readonly counts: readonly number[];
}

export interface MetricsStore {
  put(data: readonly MetricDatum[], signal?: AbortSignal): Promise<void>;
}
