import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { refuseForeign } from '../../src/http/foreign-requests.ts';
import { Problem } from '../../src/http/problem.ts';
import type { Route } from '../../src/http/route.ts';
import { sendRaw } from './support/raw-http.ts';
import { ALL_ROLES, echoRoute, startTestServer } from './support/test-server.ts';

const closed = {
  schemes: ['apiKey'],
  authenticate: async () => ({ name: 'crm', roles: ALL_ROLES }),
} as const;

/** The status of a request over a bare connection, for no client of ours lets all headers through. */
async function ask(
  port: number,
  method: 'GET' | 'HEAD' | 'OPTIONS' | 'POST' | 'PUT',
  headers: Readonly<Record<string, string>>,
  path = '/echo',
) {
  const body = method === 'POST' ? '{"name":"x"}' : '';
  const all = {
    host: `127.0.0.1:${port}`,
    connection: 'close',
    ...(body !== '' && { 'content-type': 'application/json', 'content-length': body.length }),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const answer = await sendRaw(port, `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
  const code = /"code":"(\w+)"/.exec(answer)?.[1];
  return `${answer.slice(9, 12)}${code === undefined ? '' : ` ${code}`}`;
}

describe.each([
  ['nobody is asked', {}],
  ['callers have keys', { authentication: closed }],
])('a page of another site, where %s', (_, options) => {
  test('changes nothing', async () => {
    let calls = 0;
    const route: Route = {
      ...echoRoute(),
      handle: async () => {
        calls += 1;
        return { status: 200, body: {} };
      },
    };
    await using app = await startTestServer([route], { ...options, allowedHosts: [] });
    const own = `127.0.0.1:${app.port}`;
    const refused = [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'something-new' },
      { 'sec-fetch-site': 'cross-site', origin: `http://${own}` },
      // Where browsers do not say the site: no https, no loopback.
      { origin: 'https://evil.example' },
      { origin: 'http://127.0.0.1' },
      { origin: 'null' },
      { origin: 'evil' },
    ];
    for (const headers of refused) {
      expect(await ask(app.port, 'POST', headers)).toBe('403 cross_site');
      expect(await ask(app.port, 'PUT', headers)).toBe('403 cross_site');
    }
    expect(calls).toBe(0);
  });

  test('our own pages and programs are let in, and so is who only looks', async () => {
    await using app = await startTestServer([echoRoute()], { ...options, allowedHosts: [] });
    const own = `127.0.0.1:${app.port}`;
    const allowed = [
      {},
      { 'sec-fetch-site': 'same-origin', origin: `http://${own}` },
      { 'sec-fetch-site': 'none' },
      { origin: `http://${own}` },
    ];
    for (const headers of allowed) expect(await ask(app.port, 'POST', headers)).toBe('200');
    const foreign = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' };
    expect(await ask(app.port, 'GET', foreign, '/livez')).toBe('200');
    expect(await ask(app.port, 'HEAD', foreign, '/livez')).toBe('200');
    expect(await ask(app.port, 'OPTIONS', foreign)).toBe('204');
  });
});

describe('the name in Host', () => {
  const KNOWN = [
    '127.0.0.1',
    'localhost',
    'LocalHost:3000',
    'localhost.',
    '[::1]:80',
    '10.0.0.7:1',
  ];
  const FOREIGN = ['evil.example', 'evil.example:3000', '127.0.0.1.evil.example', 'localhost.evil'];
  const NONSENSE = ['127.0.0.1@evil', '[::1', 'a b', '127.0.0.1:3000:3000', 'x/127.0.0.1', ','];

  test('is ours, or an address, where nobody is asked; probes included', async () => {
    await using app = await startTestServer([echoRoute()], { allowedHosts: [] });
    for (const host of KNOWN) expect(await ask(app.port, 'POST', { host })).toBe('200');
    for (const host of [...FOREIGN, ...NONSENSE]) {
      expect(await ask(app.port, 'GET', { host }, '/readyz')).toBe('421 foreign_host');
      expect(await ask(app.port, 'POST', { host })).toBe('421 foreign_host');
      expect(await ask(app.port, 'GET', { host }, '/docs')).toBe('421 foreign_host');
    }
  });

  test('may be any where callers have keys, unless the names are said', async () => {
    await using any = await startTestServer([echoRoute()], {
      authentication: closed,
      allowedHosts: [],
    });
    expect(await ask(any.port, 'POST', { host: 'evil.example' })).toBe('200');
    for (const options of [{}, { authentication: closed }]) {
      const allowedHosts = ['bridge.example'];
      await using app = await startTestServer([echoRoute()], { ...options, allowedHosts });
      for (const host of [...KNOWN, 'bridge.example', 'Bridge.Example:443']) {
        expect(await ask(app.port, 'POST', { host })).toBe('200');
      }
      expect(await ask(app.port, 'POST', { host: 'evil.example' })).toBe('421 foreign_host');
      // A proxy that says its own name to us.
      expect(await ask(app.port, 'POST', { origin: 'https://bridge.example' })).toBe('200');
    }
  });

  test('never passes by a trick of writing', () => {
    const refuse = refuseForeign({
      authentication: { schemes: [] },
      allowedHosts: ['bridge.example'],
    });
    const passes = (host: string) => {
      try {
        refuse(
          { method: 'GET', headers: { host } } as Parameters<typeof refuse>[0],
          {} as Parameters<typeof refuse>[1],
          () => undefined,
        );
        return true;
      } catch (error) {
        expect(error).toBeInstanceOf(Problem);
        return false;
      }
    };
    const words = '127.0.0.1 localhost bridge.example ::1 [::1] evil . : @ / [ ] %00 \\ # ? 80 é';
    const parts = fc.constantFrom(' ', ...words.split(' '));
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 5 }), (some) => {
        const host = some.join('');
        // What passes is read by a browser as one of our names, too.
        if (!passes(host)) return;
        const name = new URL(`http://${host}`).hostname.replace(/\.$/, '');
        expect(name).toMatch(/^(?:[\d.]+|\[[\da-f:]+\]|localhost|bridge\.example)$/);
      }),
      { numRuns: 2000, examples: [[['[', '127.0.0.1', ']']]] },
    );
  });
});
