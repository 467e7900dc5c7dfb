import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { request } from 'undici';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import {
  asProxyFailure,
  createOutgoingAgent,
  type Network,
} from '../../../src/lib/network/outgoing-agent.ts';
import { createAuthority } from '../../support/certificates.ts';
import { startProxy, startTls, unusedPort } from '../../support/network.ts';

const authority = createAuthority();
const authorities = authority.certificate;

/** A service that answers after `ms`, in the clear and over TLS as `service.test`. */
async function startService(ms = 0) {
  let inFlight = 0;
  let maxInFlight = 0;
  const server = createServer((_, response) => {
    inFlight += 1;
    maxInFlight = Math.max(maxInFlight, inFlight);
    setTimeout(() => {
      inFlight -= 1;
      response.end('here');
    }, ms);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const tlsPort = await startTls(authority.issue('service.test', 'localhost'), port);
  return { port, tlsPort, maxInFlight: () => maxInFlight };
}

function callsOver(
  network: Network,
  options: { connections?: number; connectTimeoutMs?: number } = {},
) {
  const dispatcher = createOutgoingAgent({ connectTimeoutMs: 1000, network, ...options });
  onTestFinished(() => dispatcher.destroy());
  return async (url: string): Promise<string> => {
    try {
      const { body } = await request(url, { dispatcher });
      return await body.text();
    } catch (error) {
      throw asProxyFailure(error, network);
    }
  };
}

let service: Awaited<ReturnType<typeof startService>>;
beforeEach(async () => {
  service = await startService();
});

describe('which way a call takes', () => {
  test('https:// through a tunnel, http:// by the proxy, both under names that it knows', async () => {
    const proxy = await startProxy();
    const call = callsOver({ httpsProxy: proxy.url, httpProxy: proxy.url, authorities });
    const { port, tlsPort } = service;
    expect(await call(`https://service.test:${tlsPort}/x?y=1`)).toBe('here');
    expect(await call(`http://service.test:${port}/x?y=1`)).toBe('here');
    expect(proxy.seen).toEqual([
      `CONNECT service.test:${tlsPort}`,
      `GET http://service.test:${port}/x?y=1`,
    ]);
  });

  test('this machine is called directly, whatever is set', async () => {
    const proxy = await startProxy();
    const call = callsOver({
      httpsProxy: proxy.url,
      httpProxy: proxy.url,
      noProxy: 'a.test',
      authorities,
    });
    for (const host of ['127.0.0.1', 'localhost']) {
      expect(await call(`http://${host}:${service.port}`)).toBe('here');
      expect(await call(`https://${host}:${service.tlsPort}`)).toBe('here');
    }
    expect(proxy.connections()).toBe(0);
  });

  test.each(['service.test', '.test', '*.test', 'x.com, service.test', 'SERVICE.TEST', '*'])(
    'NO_PROXY %s: directly',
    async (noProxy) => {
      const proxy = await startProxy();
      const call = callsOver({ httpsProxy: proxy.url, noProxy, authorities });
      // Only the proxy knows that name.
      await expect(call(`https://service.test:${service.tlsPort}`)).rejects.toMatchObject({
        code: expect.stringMatching(/^(?:ENOTFOUND|EAI_AGAIN)$/) as string,
      });
      expect(proxy.connections()).toBe(0);
    },
  );

  test('the environment of the process is not asked: the settings are', async () => {
    const proxy = await startProxy();
    process.env['http_proxy'] = proxy.url;
    onTestFinished(() => void delete process.env['http_proxy']);
    const call = callsOver({ noProxy: 'x.test' });
    await expect(call(`http://service.test:${service.port}`)).rejects.toThrow();
    expect(proxy.connections()).toBe(0);
  });
});

describe('connections', () => {
  test('a tunnel is kept and used again', async () => {
    const proxy = await startProxy();
    const call = callsOver({ httpsProxy: proxy.url, authorities }, { connections: 1 });
    for (let round = 0; round < 5; round += 1) {
      await call(`https://service.test:${service.tlsPort}`);
    }
    expect(proxy.seen).toHaveLength(1);
  });

  test.each(['http', 'https'])('%s: no more at once than allowed', async (scheme) => {
    const slow = await startService(20);
    const proxy = await startProxy();
    const call = callsOver(
      { httpsProxy: proxy.url, httpProxy: proxy.url, authorities },
      { connections: 3 },
    );
    const port = scheme === 'http' ? slow.port : slow.tlsPort;
    await Promise.all(Array.from({ length: 20 }, () => call(`${scheme}://service.test:${port}`)));
    expect(slow.maxInFlight()).toBe(3);
    expect(proxy.connections()).toBeLessThanOrEqual(3);
  });
});

describe('a proxy in the way', () => {
  const refusals: [number | 'reset', string, string][] = [
    [403, 'PROXY_REFUSED', 'does not let us through (HTTP 403)'],
    [407, 'PROXY_REFUSED', 'wants other credentials (HTTP 407)'],
    [502, 'PROXY_UNREACHABLE', 'cannot reach the other side (HTTP 502)'],
    ['reset', 'PROXY_UNREACHABLE', 'no connection to the proxy'],
  ];
  test.each(refusals)('that answers %s, and later lets through', async (answer, code, says) => {
    const proxy = await startProxy();
    const call = callsOver({ httpsProxy: proxy.url, authorities }, { connections: 1 });
    const url = `https://service.test:${service.tlsPort}`;
    proxy.answer = answer;
    await expect(call(url)).rejects.toMatchObject({ name: 'ProxyFailure', code });
    await expect(call(url)).rejects.toThrow(says);
    await expect(call(url)).rejects.toThrow(`127.0.0.1:${proxy.port}`);
    proxy.answer = undefined;
    expect(await call(url)).toBe('here');
  });

  test('that takes a connection and says nothing: no longer than a connection may take', async () => {
    const proxy = await startProxy();
    const limits = { connections: 1, connectTimeoutMs: 200 };
    const call = callsOver({ httpsProxy: proxy.url, authorities }, limits);
    const url = `https://service.test:${service.tlsPort}`;
    proxy.answer = 'nothing';
    const startedMs = performance.now();
    await expect(call(url)).rejects.toMatchObject({ code: 'PROXY_UNREACHABLE' });
    // undici looks at its timers every half second.
    expect(performance.now() - startedMs).toBeLessThan(4000);
    proxy.answer = undefined;
    expect(await call(url)).toBe('here');
  });

  test.each(['http', 'https'])(
    'that is away: %s says so, without its credentials',
    async (scheme) => {
      const port = await unusedPort();
      const address = `http://user:geheim@127.0.0.1:${port}`;
      const call = callsOver({ httpsProxy: address, httpProxy: address, authorities });
      const failure: unknown = await call(`${scheme}://service.test`).catch(
        (error: unknown) => error,
      );
      expect(failure).toMatchObject({
        code: 'PROXY_UNREACHABLE',
        message: `no connection to the proxy 127.0.0.1:${port} (ECONNREFUSED)`,
      });
      expect(JSON.stringify(failure) + String((failure as Error).stack)).not.toContain('geheim');

      const proxy = await startProxy({ port, credentials: 'user:geheim' });
      const own = scheme === 'http' ? service.port : service.tlsPort;
      expect(await call(`${scheme}://service.test:${own}`)).toBe('here');
      expect(proxy.seen).toHaveLength(1);
    },
  );

  test.each(['http', 'https'])('that wants credentials: %s', async (scheme) => {
    const proxy = await startProxy({ credentials: 'user:p@ss' });
    const port = scheme === 'http' ? service.port : service.tlsPort;
    const url = `${scheme}://service.test:${port}`;
    const at = (login: string) => `http://${login}127.0.0.1:${proxy.port}`;
    const good = callsOver({
      httpsProxy: at('user:p%40ss@'),
      httpProxy: at('user:p%40ss@'),
      authorities,
    });
    expect(await good(url)).toBe('here');
    for (const login of ['', 'user:wrong@']) {
      const bad = callsOver({ httpsProxy: at(login), httpProxy: at(login), authorities });
      await expect(bad(url)).rejects.toMatchObject({ code: 'PROXY_REFUSED' });
      await expect(bad(url)).rejects.toThrow('wants other credentials (HTTP 407)');
    }
  });

  test('that itself speaks TLS, vouched for by an authority of our own', async () => {
    const proxy = await startProxy();
    const tlsPort = await startTls(authority.issue('localhost'), proxy.port);
    const httpsProxy = `https://localhost:${tlsPort}`;
    const url = `https://service.test:${service.tlsPort}`;
    expect(await callsOver({ httpsProxy, authorities })(url)).toBe('here');
    await expect(callsOver({ httpsProxy })(url)).rejects.toMatchObject({
      code: 'PROXY_UNREACHABLE',
      message: expect.stringContaining('UNABLE_TO_VERIFY_LEAF_SIGNATURE') as string,
    });
  });
});

describe('authorities of our own', () => {
  test.each([
    [undefined, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    [createAuthority('Another one').certificate, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ])('without the right one a certificate is not trusted', async (others, code) => {
    const call = callsOver({ authorities: others });
    await expect(call(`https://localhost:${service.tlsPort}`)).rejects.toMatchObject({ code });
  });

  test('several may be in one file; a certificate for another name is none', async () => {
    const both = createAuthority('Another one').certificate + authorities;
    const call = callsOver({ authorities: both });
    expect(await call(`https://localhost:${service.tlsPort}`)).toBe('here');
    const wrong = await startTls(authority.issue('other.test'), service.port);
    await expect(call(`https://localhost:${wrong}`)).rejects.toMatchObject({
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
  });

  test('the usual ones are trusted besides', async () => {
    const usual = getCACertificates();
    setDefaultCACertificates([...usual, authorities]);
    onTestFinished(() => setDefaultCACertificates(usual));
    const call = callsOver({ authorities: createAuthority('Another one').certificate });
    expect(await call(`https://localhost:${service.tlsPort}`)).toBe('here');
  });
});
