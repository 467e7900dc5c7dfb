import type { Request, Response } from 'express';
import type { Logger } from '../lib/logger.ts';

/** A JSON Schema (2020-12) as a plain object: it validates requests and documents them. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** What a caller must be allowed to do; `public` routes ask for no credentials. */
export type Role = 'map' | 'report' | 'simulate' | 'operate';

export const ROLES: readonly Role[] = ['map', 'report', 'simulate', 'operate'];

export function isRole(word: unknown): word is Role {
  return ROLES.some((role) => role === word);
}

/** `Query` and `Body` are the types that the route's schemas let through. */
export interface Call<Query = object, Body = unknown> {
  /** Checked against the route's `query` schema, converted to its types, defaults filled in. */
  readonly query: Query;
  /** Path parameters. */
  readonly params: Readonly<Record<string, string>>;
  /** The parsed JSON body, checked against the route's `body` schema; none when there is a `stream`. */
  readonly body: Body;
  /** The body as it comes, when its media type is one of the route's `streams`. */
  readonly stream: AsyncIterable<Uint8Array> | undefined;
  readonly request: Request;
  readonly response: Response;
  /** Aborts when the caller disconnects before the answer is complete, or the service stops. */
  readonly signal: AbortSignal;
  /** Waits until others had theirs: long work of all requests shares the turns of the event loop. */
  readonly turn: () => Promise<void>;
  /** Has the request's id and trace id on every line. */
  readonly log: Logger;
  /** The caller's `x-request-id`, or one of ours. */
  readonly requestId: string;
  /** W3C trace context for calls on behalf of this request: the caller's trace, our own span. */
  readonly traceparent: string;
  /** Whom limits count: who the credentials name, or the address where nobody is asked. */
  readonly caller: string;
  /** The roles of the caller: all of them when authentication is off, none where nobody is asked. */
  readonly roles: ReadonlySet<Role>;
}

export interface Answer {
  readonly status: number;
  /** Sent as JSON; a string is sent as it is, with the `content-type` of `headers`. */
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One route of the HTTP interface; the server, the validator and OpenAPI read it. */
export interface Route<Query = object, Body = unknown> {
  readonly method: 'get' | 'post';
  /** Express path, for example `/map`. */
  readonly path: string;
  readonly role: Role | 'public';
  /** Callers with one of these roles may use it as well. */
  readonly otherRoles?: readonly Role[];
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tag: string;
  /** An object schema; unknown parameters are refused. */
  readonly query?: JsonSchema;
  /** Of a JSON body. A route without it takes none. */
  readonly body?: JsonSchema;
  /** A JSON body may be left out. */
  readonly bodyOptional?: boolean;
  /** Media types whose body the handler reads itself from `call.stream`, for example NDJSON. */
  readonly streams?: readonly string[];
  /** Answers by status: description, JSON Schema of the JSON body, other media types. */
  readonly responses: Readonly<
    Record<
      number,
      {
        readonly description: string;
        readonly schema?: JsonSchema;
        /** Of a failure: what its problem body has beyond the standard members. */
        readonly problem?: JsonSchema;
        readonly mediaTypes?: readonly string[];
        /** Those worth a word, by name in small letters. */
        readonly headers?: Readonly<Record<string, string>>;
        readonly example?: unknown;
      }
    >
  >;
  /** An example body for the documents and their test. */
  readonly example?: unknown;
  /** Left out of request logs (probes). */
  readonly quiet?: boolean;
  /** Answered before every limit and without credentials, even under overload. */
  readonly probe?: boolean;
  /** Left out of the OpenAPI document (pages, static files). */
  readonly undocumented?: boolean;
  /**
   * Answers, or returns nothing after it has written to `call.response` itself. A method, so that
   * routes with types of their own stand in one list.
   */
  handle(call: Call<Query, Body>): Promise<Answer | undefined>;
}
