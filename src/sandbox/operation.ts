import type { IncomingMessage, ServerResponse } from 'node:http';
import type { EntryFailures } from './faults.ts';

/**
 * One listener for everything that the sandbox imitates. A *service* recognises its requests and
 * names the *operation*; `http.ts` reads the body, applies the faults, writes the answer and keeps
 * the log. Operations are plain functions from a call to a reply.
 */
export interface Service {
  /** The operation that a request asks for; `undefined` when it is not for this service. */
  readonly route: (request: IncomingMessage, path: string) => Operation | undefined;
  /** The names of all operations, which fault rules may target. */
  readonly operations: readonly string[];
  /** A failure in this service's own format. */
  readonly refuse: (failure: Failure, requestId: string) => Reply;
  /** Headers of every answer, for example the request's id. */
  readonly headers?: (requestId: string) => Readonly<Record<string, string>>;
}

export interface Operation {
  /** Dotted name, the target of fault rules: `genesys.token`, `aws.events.PutEvents`. */
  readonly name: string;
  /** The sandbox's own business: no faults, not in the log. */
  readonly internal?: boolean;
  handle(call: Call): Reply | Promise<Reply>;
}

export interface Call {
  readonly request: IncomingMessage;
  /** Still percent-encoded, without the query. */
  readonly path: string;
  /** Without the question mark; empty when there is none. */
  readonly query: string;
  /** As it came: a `content-encoding` is the operation's business. */
  readonly body: Buffer;
  readonly requestId: string;
  /** Whether a fault rule refuses this entry of the batch, known by any of these ids. */
  failsEntry(...entryIds: readonly string[]): EntryFailures | undefined;
  /** A fault rule wants a page that leads to itself. */
  readonly repeatPage: boolean;
}

export interface Failure {
  readonly status: number;
  /** Error code; the service has one for each status. */
  readonly code?: string | undefined;
  readonly message?: string | undefined;
  readonly retryAfter?: string | undefined;
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Takes over after the headers were written, for an answer without end. */
  readonly stream?: (response: ServerResponse) => void;
}

/** An answer in JSON. */
export function json(value: unknown, status = 200, headers?: Readonly<Record<string, string>>) {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=UTF-8', ...headers },
    body: JSON.stringify(value),
  } satisfies Reply;
}
