import { createSecureContext, getCACertificates } from 'node:tls';
import { Agent, type buildConnector, type Dispatcher, EnvHttpProxyAgent, Pool } from 'undici';
import { proxyAnswered, proxyUnreachable } from './proxy-failure.ts';

/** What is between this process and the world. */
export interface Network {
  /** Forward proxy for https:// addresses; without it that for http:// serves both. May have credentials. */
  readonly httpsProxy?: string | undefined;
  /** Forward proxy for http:// addresses. */
  readonly httpProxy?: string | undefined;
  /** Hosts, also as `.example.com` and with a port, that are called directly; `*` = all. */
  readonly noProxy?: string | undefined;
  /** PEM certificates of authorities that are trusted besides the usual ones. */
  readonly authorities?: string | undefined;
}

export interface OutgoingAgentOptions
  extends Pick<Agent.Options, 'headersTimeout' | 'bodyTimeout' | 'maxResponseSize'> {
  /** Sockets to one host; more calls wait. Default: no bound. */
  readonly connections?: number;
  /** For each step of a connection: to the proxy, through it, to the other side. */
  readonly connectTimeoutMs: number;
  readonly network: Network | undefined;
}

/** This machine, and where clouds hand out credentials: a proxy is elsewhere and cannot reach them. */
const ALWAYS_DIRECT =
  'localhost,127.0.0.1,::1,169.254.169.254,169.254.170.2,169.254.170.23,[fd00:ec2::254],[fd00:ec2::23]';

/** Keeps connections to every host, over a forward proxy where one is set. HTTP/1.1 only. */
export function createOutgoingAgent(options: OutgoingAgentOptions): Dispatcher {
  const { connectTimeoutMs, network = {}, ...limits } = options;
  const { httpProxy = '', httpsProxy = '', noProxy = '', authorities } = network;
  const trust =
    authorities === undefined
      ? {}
      : {
          // Once: reading the usual hundred and more for each connection takes longer than its handshake.
          secureContext: createSecureContext({ ca: [...getCACertificates(), authorities] }),
        };
  const common = { ...limits, allowH2: false, connectTimeout: connectTimeoutMs, connect: trust };
  if (httpProxy === '' && httpsProxy === '') return new Agent(common);

  return new EnvHttpProxyAgent({
    ...common,
    httpProxy,
    httpsProxy,
    noProxy: `${noProxy},${ALWAYS_DIRECT}`,
    requestTls: trust,
    proxyTls: trust,
    clientFactory: (proxy, made) =>
      tunnelsOver(proxy, { ...made, headersTimeout: connectTimeoutMs }),
    // Also for plain http:// over a proxy, where undici alone would have no bound on the sockets.
    factory(origin, made: Pool.Options) {
      const pool = { ...common, ...made };
      if (origin !== hrefOf(httpProxy) || typeof made.connect !== 'function') {
        return new Pool(origin, pool);
      }
      return new Pool(origin, { ...pool, connect: namingProxy(new URL(origin), made.connect) });
    },
  });
}

/** Connections to the proxy, of which each becomes a tunnel. Failures say that they are the proxy's. */
function tunnelsOver(proxy: URL, options: Pool.Options): Pool {
  const pool = new Pool(proxy, options);
  const connect = pool.connect.bind(pool);
  const connectOrSay = async (asked: Dispatcher.ConnectOptions) => {
    const answer = await connect(asked).catch((error: unknown) => {
      throw proxyUnreachable(proxy, error);
    });
    if (answer.statusCode === 200) return answer;
    answer.socket.on('error', () => undefined).destroy();
    throw proxyAnswered(proxy, answer.statusCode);
  };
  return Object.assign(pool, { connect: connectOrSay });
}

function namingProxy(proxy: URL, connect: buildConnector.connector): buildConnector.connector {
  return (options, done) =>
    connect(options, (...[error, socket]) => {
      if (error === null) done(null, socket);
      else done(proxyUnreachable(proxy, error), null);
    });
}

function hrefOf(address: string): string {
  return address === '' ? '' : new URL(address).href;
}

/** What undici itself says of a proxy that wants credentials for a plain http:// request. */
export function asProxyFailure(error: unknown, network: Network | undefined): unknown {
  const isPlain407 =
    error instanceof Error && error.message === 'Proxy Authentication Required (407)';
  if (!isPlain407 || network?.httpProxy === undefined) return error;
  return proxyAnswered(new URL(network.httpProxy), 407);
}
