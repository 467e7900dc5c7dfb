/**
 * The forward proxy was in the way. `code`: `PROXY_UNREACHABLE` (it cannot be connected to, breaks
 * off, or cannot reach the other side) or `PROXY_REFUSED` (it does not let us through). The message
 * names the proxy by host and port, never its credentials.
 */
export class ProxyFailure extends Error {
  override name = 'ProxyFailure';
  readonly code: 'PROXY_UNREACHABLE' | 'PROXY_REFUSED';

  constructor(code: ProxyFailure['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The proxy did not answer a CONNECT, or answered it with a break. */
export function proxyUnreachable(proxy: URL, thrown: unknown): ProxyFailure {
  const { code, message } = thrown as { code?: unknown; message?: unknown };
  const why = String(typeof code === 'string' ? code : message);
  return new ProxyFailure(
    'PROXY_UNREACHABLE',
    `no connection to the proxy ${proxy.host} (${why})`,
    {
      cause: thrown,
    },
  );
}

/** The proxy answered a request of ours for itself, with something else than success. */
export function proxyAnswered(proxy: URL, status: number): ProxyFailure {
  if (status >= 500) {
    const text = `the proxy ${proxy.host} cannot reach the other side (HTTP ${status})`;
    return new ProxyFailure('PROXY_UNREACHABLE', text);
  }
  const why = status === 407 ? 'wants other credentials' : 'does not let us through';
  return new ProxyFailure('PROXY_REFUSED', `the proxy ${proxy.host} ${why} (HTTP ${status})`);
}
