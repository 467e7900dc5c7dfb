import type { Failure, Reply } from '../operation.ts';

/** A refusal as AWS words it. */
export class AwsRefusal extends Error {
  override name = 'AwsRefusal';
  /** The `__type` of the answer, with its namespace where the service writes one. */
  readonly code: string;
  readonly status: number;
  /** The code of the older query protocol, where SQS' two differ. */
  readonly queryCode: string;

  constructor(
    code: string,
    message: string,
    options: { status?: number; queryCode?: string } = {},
  ) {
    super(message);
    this.code = code;
    this.status = options.status ?? 400;
    this.queryCode = options.queryCode ?? code;
  }
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** One operation of one API: the parsed request in, the answer's JSON out. */
export type AwsOperation = (input: JsonObject, call: AwsOperationCall) => unknown;

export interface AwsOperationCall {
  /** Scheme, host and port under which the caller reached us. */
  readonly origin: string;
  /** Whether a fault rule refuses this entry of the batch, known by any of these ids. */
  failsEntry(
    ...entryIds: readonly string[]
  ): { readonly code: string; readonly message?: string } | undefined;
  /** Whether the caller went away. */
  readonly gone: () => boolean;
}

/** Every service's errors at once: type in the body, in a header, and SQS' older code. */
export function refusal(error: {
  readonly code: string;
  readonly queryCode?: string;
  readonly message: string;
  readonly status: number;
  readonly retryAfter?: string | undefined;
}): Reply {
  const shape = error.code.slice(error.code.indexOf('#') + 1);
  const fault = error.status >= 500 ? 'Receiver' : 'Sender';
  return {
    status: error.status,
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amzn-errortype': shape,
      'x-amzn-query-error': `${error.queryCode ?? shape};${fault}`,
      ...(error.retryAfter === undefined ? {} : { 'retry-after': error.retryAfter }),
    },
    body: JSON.stringify({ __type: error.code, message: error.message }),
  };
}

const CODES: Readonly<Record<number, string>> = {
  400: 'ValidationException',
  401: 'UnrecognizedClientException',
  403: 'AccessDeniedException',
  404: 'NotFoundException',
  413: 'RequestEntityTooLarge',
  429: 'ThrottlingException',
  500: 'InternalFailure',
  503: 'ServiceUnavailable',
};

/** What a fault rule asked for. */
export function forcedRefusal(failure: Failure): Reply {
  return refusal({
    code: failure.code ?? CODES[failure.status] ?? 'InternalFailure',
    message: failure.message ?? 'A fault of the sandbox',
    status: failure.status,
    retryAfter: failure.retryAfter,
  });
}

export function textOf(input: JsonObject, name: string): string | undefined {
  const value = input[name];
  return typeof value === 'string' ? value : undefined;
}

export function listOf(input: JsonObject, name: string): readonly JsonObject[] {
  const value = input[name];
  return Array.isArray(value) ? value.filter(isObject) : [];
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
