/** Requests per window, counted for each token by itself as Genesys does. */
export interface TokenLimits {
  /** Counts a request: its headers, and how long to wait when it was one too many. */
  take(
    token: string,
    operation: string,
  ): {
    readonly headers: Readonly<Record<string, string>>;
    readonly retryAfterSeconds?: number;
  };
  /** 0 lifts the limit. */
  set(requestsPerWindow: number): void;
  /** An operation may have a limit of its own. */
  setFor(operation: string, requestsPerWindow: number): void;
  /** Requests that were one too many. */
  refused(): number;
  /** `false`: a 429 says nothing about when to come again. */
  saysWhen: boolean;
}

interface Window {
  endsAt: number;
  count: number;
}

export function createTokenLimits(options: {
  /** 0 = no limit. */
  readonly requestsPerWindow: number;
  /** Genesys counts per minute; tests may want shorter windows. */
  readonly windowMs: number;
}): TokenLimits {
  const windows = new Map<string, Window>();
  const own = new Map<string, number>();
  let standard = options.requestsPerWindow;
  let refused = 0;

  const limits: TokenLimits = {
    take(token, operation) {
      const allowed = own.get(operation) ?? standard;
      if (allowed === 0) {
        // What Genesys says of a limit that nobody comes near to.
        return {
          headers: {
            'inin-ratelimit-count': '1',
            'inin-ratelimit-allowed': '1000000',
            'inin-ratelimit-reset': '60',
          },
        };
      }
      const key = own.has(operation) ? `${token} ${operation}` : token;
      const now = performance.now();
      let window = windows.get(key);
      if (window === undefined || now >= window.endsAt) {
        window = { endsAt: now + options.windowMs, count: 0 };
        windows.set(key, window);
      }
      window.count += 1;
      const reset = Math.max(1, Math.ceil((window.endsAt - now) / 1000));
      const headers = {
        'inin-ratelimit-count': String(Math.min(window.count, allowed)),
        'inin-ratelimit-allowed': String(allowed),
        'inin-ratelimit-reset': String(reset),
      };
      if (window.count <= allowed) return { headers };
      refused += 1;
      return { headers: limits.saysWhen ? headers : {}, retryAfterSeconds: reset };
    },
    set(requestsPerWindow) {
      standard = requestsPerWindow;
      windows.clear();
    },
    setFor(operation, requestsPerWindow) {
      own.set(operation, requestsPerWindow);
    },
    refused: () => refused,
    saysWhen: true,
  };
  return limits;
}
