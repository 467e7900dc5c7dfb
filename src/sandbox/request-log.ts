/** How a call ended: its status, or that it was not answered. */
export type CallEnd = number | 'reset' | 'hang' | 'aborted';

export interface LoggedRequest {
  /** When it ended, in epoch milliseconds. */
  readonly at: number;
  readonly operation: string;
  readonly method: string;
  readonly url: string;
  readonly status: CallEnd;
  readonly durationMs: number;
  readonly requestId: string;
}

/** Every call that came in: the last ones in full, all of them as counts. */
export interface RequestLog {
  begin(operation: string): void;
  end(request: LoggedRequest): void;
  /** Calls of an operation or a part of the tree (`genesys`), that ended with `status` if given. */
  count(operation: string, status?: CallEnd): number;
  /** The most calls of exactly this operation that were open at once. */
  maxInFlight(operation: string): number;
  counts(): Record<string, Record<string, number>>;
  /** Oldest first. */
  last(limit?: number): readonly LoggedRequest[];
  reset(): void;
}

export function createRequestLog(keep = 1000): RequestLog {
  let ring: LoggedRequest[] = [];
  let next = 0;
  const byOperation = new Map<
    string,
    { open: number; maxOpen: number; ends: Map<CallEnd, number> }
  >();

  function countersOf(operation: string) {
    let counters = byOperation.get(operation);
    if (counters === undefined) {
      counters = { open: 0, maxOpen: 0, ends: new Map() };
      byOperation.set(operation, counters);
    }
    return counters;
  }

  return {
    begin(operation) {
      const counters = countersOf(operation);
      counters.open += 1;
      if (counters.open > counters.maxOpen) counters.maxOpen = counters.open;
    },
    end(request) {
      const counters = countersOf(request.operation);
      counters.open = Math.max(0, counters.open - 1);
      counters.ends.set(request.status, (counters.ends.get(request.status) ?? 0) + 1);
      ring[next] = request;
      next = (next + 1) % keep;
    },
    count(operation, status) {
      let sum = 0;
      for (const [name, { ends }] of byOperation) {
        if (name !== operation && !name.startsWith(`${operation}.`)) continue;
        for (const [end, count] of ends) if (status === undefined || end === status) sum += count;
      }
      return sum;
    },
    maxInFlight: (operation) => byOperation.get(operation)?.maxOpen ?? 0,
    counts() {
      return Object.fromEntries(
        [...byOperation].map(([name, { ends }]) => [name, Object.fromEntries(ends)]),
      );
    },
    last(limit = keep) {
      const ordered =
        ring.length < keep ? ring.slice(0, next) : [...ring.slice(next), ...ring.slice(0, next)];
      return ordered.slice(-limit);
    },
    reset() {
      ring = [];
      next = 0;
      for (const counters of byOperation.values()) {
        counters.ends.clear();
        counters.maxOpen = counters.open;
      }
    },
  };
}
