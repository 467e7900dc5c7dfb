/**
 * What goes wrong on demand. A rule names an operation (`aws.events.PutEvents`) or a part of the
 * tree (`aws.events`, `genesys`, `*`) and what happens to calls of it.
 *
 * All rules that match a call are looked at in the order in which they were added. Latencies add
 * up; the first rule that says how the call ends (status, reset, hang, html, body) ends it.
 */
export interface FaultRule {
  /** Given by `add` when left out. */
  readonly id?: string;
  /** Dotted name of an operation, a prefix of it, or `*`. */
  readonly target: string;

  /** Answer with this status in the service's own error format. */
  readonly status?: number;
  /** Error code of that answer, for example `too.many.requests` or `ThrottlingException`. */
  readonly code?: string;
  readonly message?: string;
  /** `Retry-After` of that answer, sent as it is: `3`, a date, nonsense. */
  readonly retryAfter?: string;
  /** Answer with a proxy's HTML page; `status` is 502 unless given. */
  readonly html?: boolean;
  /** Answer with exactly this text as JSON; `status` is 200 unless given. */
  readonly body?: string;

  /** Wait before anything else, in milliseconds. */
  readonly latencyMs?: number;
  /**
   * Break the connection: `before` the work is done, `after` it was done (the answer is lost), in
   * the `middle` of the answer.
   */
  readonly reset?: 'before' | 'after' | 'middle';
  /** Never answer: `true` without doing the work, `middle` after half of the answer. */
  readonly hang?: boolean | 'middle';

  /** Refuse some entries of a batch that is accepted otherwise. */
  readonly entryFailures?: EntryFailures;
  /** Every page says that another one follows, and it is the same. */
  readonly repeatPage?: boolean;
  /** What happens on an open event stream (`target: 'genesys.stream'`). */
  readonly stream?: StreamFault;

  /** The rule ends after this many hits. Default: it stays until it is removed. */
  readonly times?: number;
  /** Share of the matching calls that are hit, 0 to 1, by a seeded random. Default 1. */
  readonly rate?: number;
}

export interface EntryFailures {
  /** Share of the entries, 0 to 1. */
  readonly rate?: number;
  /**
   * Ids of the entries: an entity's id, an SQS entry's id; an event's detail-type, source, resource
   * or interaction id.
   */
  readonly ids?: readonly string[];
  readonly code: string;
  readonly message?: string;
}

export interface StreamFault {
  /**
   * - `cut-line`, `cut-character`: half a line, or half a UTF-8 character, then a reset.
   * - `end`: the body ends as if all were said.
   * - `silence`: not one more byte. `keep-alive-only`: blank lines and nothing else.
   * - `garbage`: a line that is not JSON before each batch of events.
   * - `long-line`: a line of `bytes` before the next event.
   */
  readonly kind:
    | 'cut-line'
    | 'cut-character'
    | 'end'
    | 'silence'
    | 'keep-alive-only'
    | 'garbage'
    | 'long-line';
  /** Events that a connection gets before the fault shows. Default 0. */
  readonly afterEvents?: number;
  /** Length of a `long-line`. Default 2 MiB. */
  readonly bytes?: number;
}

export type ActiveFault = FaultRule & { readonly id: string; readonly hits: number };

/** What the rules say about one call. */
export interface Verdict {
  readonly latencyMs: number;
  /** The rule that ends the call. */
  readonly ending?: FaultRule;
  readonly entryFailures?: EntryFailures;
  readonly repeatPage: boolean;
}

export interface Faults {
  /** Adds a rule and returns its id. */
  add(rule: FaultRule): string;
  /** Whether there was such a rule. */
  remove(id: string): boolean;
  clear(): void;
  list(): readonly ActiveFault[];
  /** Consumes a hit of every rule that applies to this call. */
  judge(operation: string): Verdict;
  /** The stream fault for a connection that has had this many events; consumes a hit. */
  judgeStream(operation: string, events: number): StreamFault | undefined;
  /** Whether this entry of a batch is refused, and how. */
  failsEntry(
    failures: EntryFailures | undefined,
    ...entryIds: readonly string[]
  ): EntryFailures | undefined;
}

const NOTHING: Verdict = Object.freeze({ latencyMs: 0, repeatPage: false });

export interface FaultsOptions {
  /** Random number in [0, 1). */
  readonly random: () => number;
}

export function createFaults(options: FaultsOptions): Faults {
  const rules = new Map<string, { rule: FaultRule; hits: number }>();
  let lastId = 0;

  function hit(entry: { rule: FaultRule; hits: number }, operation: string): boolean {
    const { rule } = entry;
    if (!covers(rule.target, operation)) return false;
    if (rule.times !== undefined && entry.hits >= rule.times) return false;
    if (rule.rate !== undefined && options.random() >= rule.rate) return false;
    entry.hits += 1;
    return true;
  }

  return {
    add(rule) {
      lastId += 1;
      const id = rule.id ?? `fault-${lastId}`;
      rules.set(id, { rule: { ...rule, id }, hits: 0 });
      return id;
    },
    remove: (id) => rules.delete(id),
    clear: () => rules.clear(),
    list: () =>
      Array.from(rules, ([id, { rule, hits }]) => Object.assign({ id, hits }, rule, { id })),
    judge(operation) {
      if (rules.size === 0) return NOTHING;
      let latencyMs = 0;
      let ending: FaultRule | undefined;
      let entryFailures: EntryFailures | undefined;
      let repeatPage = false;
      for (const entry of rules.values()) {
        const { rule } = entry;
        if (rule.stream !== undefined) continue;
        if (ends(rule) && ending !== undefined) continue;
        if (!hit(entry, operation)) continue;
        latencyMs += rule.latencyMs ?? 0;
        if (ends(rule)) ending = rule;
        entryFailures ??= rule.entryFailures;
        repeatPage ||= rule.repeatPage === true;
      }
      return {
        latencyMs,
        repeatPage,
        ...(ending === undefined ? {} : { ending }),
        ...(entryFailures === undefined ? {} : { entryFailures }),
      };
    },
    judgeStream(operation, events) {
      for (const entry of rules.values()) {
        const { stream } = entry.rule;
        if (stream === undefined || events < (stream.afterEvents ?? 0)) continue;
        if (hit(entry, operation)) return stream;
      }
      return undefined;
    },
    failsEntry(failures, ...entryIds) {
      if (failures === undefined) return undefined;
      const named = entryIds.some((id) => failures.ids?.includes(id));
      const drawn = failures.rate !== undefined && options.random() < failures.rate;
      return named || drawn ? failures : undefined;
    },
  };
}

/** Whether rules with this target are for the operation. */
export function covers(target: string, operation: string): boolean {
  return target === '*' || operation === target || operation.startsWith(`${target}.`);
}

function ends(rule: FaultRule): boolean {
  return (
    rule.status !== undefined ||
    rule.reset !== undefined ||
    rule.html === true ||
    rule.body !== undefined ||
    (rule.hang !== undefined && rule.hang !== false)
  );
}
