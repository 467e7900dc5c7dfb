import type { HttpHandler } from '@smithy/core/protocols';
import type { Logger } from '../../lib/logger.ts';
import { onAbort } from '../../lib/on-abort.ts';
import { type AwsCall, awsFailure } from './failure.ts';
import { createHttpHandler } from './http-handler.ts';
import { createSha256 } from './sha256.ts';

/** What every adapter needs to know of the way to AWS. Credentials: the SDK's default chain. */
export interface AwsConnectionOptions {
  readonly region: string;
  /** Another address than AWS' own, for example `http://127.0.0.1:4566`. */
  readonly endpoint?: string | undefined;
  /** Calls at once; more wait for a socket, without a bound. */
  readonly maxSockets: number;
  readonly connectTimeoutMs: number;
  /** For a whole call: credentials, connection, every try and the answer's last byte. */
  readonly requestTimeoutMs: number;
  /** Gets each call with its time. */
  readonly log?: Pick<Logger, 'debug'> | undefined;
}

export interface AwsConnection {
  /** For the constructor of one long-lived SDK client. */
  readonly clientOptions: ReturnType<typeof clientOptions>;
  /**
   * One call within its time. `send` gets a signal of its own: the SDK leaves listeners on it.
   *
   * @throws UpstreamError as `awsFailure` says; the caller's abort reason as it is.
   */
  call<T>(call: AwsCall, signal: AbortSignal | undefined, send: Send<T>): Promise<T>;
  /** Closes the sockets. */
  close(): void;
}

type Send<T> = (options: { abortSignal: AbortSignal }) => Promise<T>;

/** `maxAttempts`: the SDK's tries per call; 1 where the caller repeats. */
export function createConnection(
  options: AwsConnectionOptions & { readonly maxAttempts: number },
): AwsConnection {
  const requestHandler = createHttpHandler(options);

  return {
    clientOptions: clientOptions(options, requestHandler),
    async call(call, signal, send) {
      signal?.throwIfAborted();
      const own = new AbortController();
      const startedMs = performance.now();
      const logEnd = (code: string) => {
        const tookMs = Math.round(performance.now() - startedMs);
        options.log?.debug({ ...call, code, tookMs }, 'AWS call');
      };
      const { promise: interrupted, reject } = Promise.withResolvers<never>();
      const interrupt = (reason: unknown) => {
        own.abort(reason);
        reject(reason);
      };
      const forget = onAbort(signal, () => interrupt(signal?.reason));
      const timer = setTimeout(() => {
        const text = `no answer within ${options.requestTimeoutMs} ms`;
        interrupt(new DOMException(text, 'TimeoutError'));
      }, options.requestTimeoutMs);
      try {
        const answer = await Promise.race([send({ abortSignal: own.signal }), interrupted]);
        logEnd('ok');
        return answer;
      } catch (error) {
        signal?.throwIfAborted();
        const failure = awsFailure(error, call);
        logEnd(failure.code);
        throw failure;
      } finally {
        clearTimeout(timer);
        forget();
      }
    },
    close: () => requestHandler.destroy(),
  };
}

function clientOptions(
  options: AwsConnectionOptions & { readonly maxAttempts: number },
  requestHandler: HttpHandler,
) {
  return {
    region: options.region,
    maxAttempts: options.maxAttempts,
    // `adaptive`, which the environment may ask for, holds calls back inside of the SDK.
    retryMode: 'standard',
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    requestHandler,
    sha256: createSha256(),
    // For calls without options: building the chain of middleware anew is a fifth of such a call.
    cacheMiddleware: true,
  };
}
