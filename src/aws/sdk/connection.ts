import { UndiciHttpHandler } from '@smithy/undici-http-handler';
import type { Dispatcher } from 'undici';
import type { UpstreamError } from '../../errors.ts';
import type { Logger } from '../../lib/logger.ts';
import {
  asProxyFailure,
  createOutgoingAgent,
  type Network,
} from '../../lib/network/outgoing-agent.ts';
import { onAbort } from '../../lib/on-abort.ts';
import type { AwsCredentials } from './credentials.ts';
import { type AwsCall, awsFailure } from './failure.ts';

/** What every adapter needs to know of the way to AWS. */
export interface AwsConnectionOptions {
  /** One for all adapters. */
  readonly credentials: AwsCredentials;
  readonly region: string;
  /** Another address than AWS' own, for example `http://127.0.0.1:4566`. */
  readonly endpoint?: string | undefined;
  /** Calls at once; more wait for a socket, without a bound. */
  readonly maxSockets: number;
  readonly connectTimeoutMs: number;
  /** For a whole call: credentials, connection, every try and the answer's last byte. */
  readonly requestTimeoutMs: number;
  readonly network?: Network | undefined;
  /** Gets each call with its time. */
  readonly log?: Pick<Logger, 'debug'> | undefined;
}

export interface AwsConnection {
  /** For the constructor of one long-lived SDK client. */
  readonly clientOptions: ReturnType<typeof clientOptions>;
  /** For what is sent past such a client. */
  readonly dispatcher: Dispatcher;
  /**
   * One call within its time. `send` gets a signal of its own: the SDK leaves listeners on it. It is
   * called once more when AWS refuses the credentials and there are newer ones.
   *
   * @throws UpstreamError as `awsFailure` says; the caller's abort reason as it is.
   */
  call<T>(call: AwsCall, signal: AbortSignal | undefined, send: Send<T>): Promise<T>;
  /** Closes the sockets. */
  close(): void;
}

/** Three times the largest answer there is, ten messages of SQS. */
const MAX_ANSWER_BYTES = 33_554_432;

type Send<T> = (options: { abortSignal: AbortSignal }) => Promise<T>;

/** `maxAttempts`: the SDK's tries per call; 1 where the caller repeats. */
export function createConnection(
  options: AwsConnectionOptions & { readonly maxAttempts: number },
): AwsConnection {
  const { credentials, network } = options;
  const dispatcher = createOutgoingAgent({
    connections: options.maxSockets,
    connectTimeoutMs: options.connectTimeoutMs,
    network,
    maxResponseSize: MAX_ANSWER_BYTES,
    // One timer, below, is for the whole call.
    headersTimeout: 0,
    bodyTimeout: 0,
  });

  return {
    clientOptions: clientOptions(options, dispatcher),
    dispatcher,
    async call<T>(call: AwsCall, signal: AbortSignal | undefined, send: Send<T>) {
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
      const once = async (mayRenew: boolean): Promise<T> => {
        const { generation } = credentials;
        try {
          return await Promise.race([send({ abortSignal: own.signal }), interrupted]);
        } catch (error) {
          signal?.throwIfAborted();
          const failure = awsFailure(asProxyFailure(error, network), call);
          if (mayRenew && isKeyRefused(failure) && credentials.renew(generation)) {
            options.log?.debug(call, 'AWS refused the credentials: they are looked up anew');
            return once(false);
          }
          logEnd(failure.code);
          throw failure;
        }
      };
      try {
        const answer = await once(true);
        logEnd('ok');
        return answer;
      } finally {
        clearTimeout(timer);
        forget();
      }
    },
    close: () => void dispatcher.destroy(),
  };
}

/** By AWS; a provider that has none looks anew by itself. */
function isKeyRefused({ code, status }: UpstreamError): boolean {
  return code.endsWith('_credentials') && status !== undefined;
}

function clientOptions(
  options: AwsConnectionOptions & { readonly maxAttempts: number },
  dispatcher: Dispatcher,
) {
  return {
    region: options.region,
    credentials: options.credentials.provide,
    maxAttempts: options.maxAttempts,
    // `adaptive`, which the environment may ask for, holds calls back inside of the SDK.
    retryMode: 'standard',
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    requestHandler: new UndiciHttpHandler({ dispatcher }),
  };
}
