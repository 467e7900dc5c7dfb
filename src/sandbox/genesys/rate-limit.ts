/** Requests per window for everybody together, as Genesys reports it in its headers. */
export interface RateLimit {
  /** Counts a request: its headers, and how long to wait when it was one too many. */
  take(): {
    readonly headers: Readonly<Record<string, string>>;
    readonly retryAfterSeconds?: number;
  };
  /** 0 lifts the limit. */
  set(requestsPerWindow: number): void;
}

const NO_HEADERS = Object.freeze({});

export function createRateLimit(options: {
  /** 0 = no limit. */
  readonly requestsPerWindow: number;
  /** Genesys counts per minute; tests may want shorter windows. */
  readonly windowMs: number;
  /** How long a second of `inin-ratelimit-reset` lasts, for callers whose clock runs faster. */
  readonly secondMs: number;
}): RateLimit {
  let allowed = options.requestsPerWindow;
  let windowEnd = 0;
  let count = 0;

  return {
    take() {
      if (allowed === 0) return { headers: NO_HEADERS };
      const now = performance.now();
      if (now >= windowEnd) {
        windowEnd = now + options.windowMs;
        count = 0;
      }
      count += 1;
      const reset = Math.max(1, Math.ceil((windowEnd - now) / options.secondMs));
      const headers = {
        'inin-ratelimit-count': String(Math.min(count, allowed)),
        'inin-ratelimit-allowed': String(allowed),
        'inin-ratelimit-reset': String(reset),
      };
      return count <= allowed ? { headers } : { headers, retryAfterSeconds: reset };
    },
    set(requestsPerWindow) {
      allowed = requestsPerWindow;
      windowEnd = 0;
    },
  };
}
