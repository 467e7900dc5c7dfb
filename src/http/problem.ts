/** One thing that is wrong with a request: where (a JSON Pointer or a parameter) and what. */
export interface ProblemDetail {
  readonly where: string;
  readonly message: string;
}

/**
 * An answer other than success, as RFC 9457 `application/problem+json`. Throw it anywhere below a
 * route; the error handler writes it.
 */
export class Problem extends Error {
  override name = 'Problem';
  readonly status: number;
  /** Stable, snake_case, documented in docs/errors.md. */
  readonly code: string;
  readonly errors: readonly ProblemDetail[];
  readonly headers: Readonly<Record<string, string>>;
  /** Further members of the problem body. */
  readonly members: Readonly<Record<string, unknown>>;

  constructor(
    status: number,
    code: string,
    detail: string,
    options: {
      errors?: readonly ProblemDetail[];
      headers?: Readonly<Record<string, string>>;
      members?: Readonly<Record<string, unknown>>;
      cause?: unknown;
    } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = status;
    this.code = code;
    this.errors = options.errors ?? [];
    this.headers = options.headers ?? {};
    this.members = options.members ?? {};
  }
}
