import { existsSync, readdirSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { expect, test, vi } from 'vitest';
import { openRaw } from '../support/raw-http.ts';
import { echoRoute, startTestServer } from '../support/test-server.ts';

const CHROMIUM = '/usr/bin/chromium';

test('the page and its files come from us, cached for ever where their address has a version', async () => {
  await using app = await startTestServer([echoRoute()]);
  const page = await fetch(`${app.url}/docs`);
  const html = await page.text();
  expect(page.headers.get('content-security-policy')).toContain("script-src 'self';");
  expect(html).not.toMatch(/https?:|<script>|onload=/);
  const files = [...html.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path ?? '');
  expect(files).toHaveLength(3);
  for (const path of files) {
    const file = await fetch(`${app.url}${path}`);
    expect(file.status).toBe(200);
    expect((await file.arrayBuffer()).byteLength).toBeGreaterThan(50);
    if (path.includes('swagger-ui')) {
      expect(file.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    }
  }
});

test('what never changes is compressed for who takes that, and the same for who does not', async () => {
  await using app = await startTestServer([]);
  for (const path of ['/openapi.json', await assetPath(app.url, 'css')]) {
    const ask = async (encoding: string, method = 'GET') =>
      fetch(`${app.url}${path}`, { method, headers: { 'accept-encoding': encoding } });
    const plain = await ask('identity');
    expect(plain.headers.get('content-encoding')).toBeNull();
    const length = Number(plain.headers.get('content-length'));
    const text = await plain.text();
    expect(Buffer.byteLength(text)).toBe(length);
    for (const encoding of ['gzip', 'br, gzip;q=0.5', '*']) {
      const zipped = await ask(encoding);
      expect(zipped.headers.get('content-encoding')).toBe('gzip');
      expect(zipped.headers.get('vary')).toContain('accept-encoding');
      expect(Number(zipped.headers.get('content-length'))).toBeLessThan(length / 2);
      expect(await zipped.text()).toBe(text);
    }
    for (const encoding of ['gzip;q=0', 'br', 'nonsense']) {
      expect(await (await ask(encoding)).text()).toBe(text);
    }
    const head = await ask('identity', 'HEAD');
    expect(Number(head.headers.get('content-length'))).toBe(length);
    expect(await head.text()).toBe('');
  }
});

test.skipIf(!existsSync('/proc/self/fd'))(
  'who asks hundreds of times, reads nothing and leaves, leaves no file open',
  async () => {
    await using app = await startTestServer([]);
    const path = await assetPath(app.url, 'js');
    const filesOpen = () => readdirSync('/proc/self/fd').length;
    const before = filesOpen();
    const inFlight = async () => {
      const numbers = await (await fetch(`${app.url}/metrics`)).text();
      return Number(/bridge_http_in_flight (\d+)/.exec(numbers)?.[1]);
    };
    for (let round = 0; round < 3; round += 1) {
      const connections = await Promise.all(Array.from({ length: 20 }, () => openRaw(app.port)));
      for (const { socket } of connections) {
        socket.pause();
        // As many as one connection may have open.
        socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`.repeat(9));
      }
      await vi.waitFor(async () => expect(await inFlight()).toBeGreaterThan(60), 5000);
      for (const connection of connections) connection[Symbol.dispose]();
    }
    await vi.waitFor(async () => {
      expect(filesOpen()).toBeLessThan(before + 20);
      const numbers = await (await fetch(`${app.url}/metrics`)).text();
      expect(numbers).toContain('bridge_http_in_flight 1\n');
    }, 5000);
  },
);

async function assetPath(url: string, extension: string): Promise<string> {
  const html = await (await fetch(`${url}/docs`)).text();
  return new RegExp(`/docs/\\d[^"]+\\.${extension}`).exec(html)?.[0] ?? '';
}

test.skipIf(!existsSync(CHROMIUM))(
  `a browser shows every operation, without one violation of the policy (needs ${CHROMIUM})`,
  async () => {
    await using app = await startTestServer([echoRoute()]);
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
    try {
      const page = await browser.newPage();
      const complaints: string[] = [];
      const elsewhere: string[] = [];
      page.on('console', (message) => {
        if (message.type() === 'error') complaints.push(message.text());
      });
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('request', (request) => {
        if (!/^(?:data:|blob:)/.test(request.url()) && !request.url().startsWith(app.url)) {
          elsewhere.push(request.url());
        }
      });
      await page.goto(`${app.url}/docs`);
      await page.getByText('Gives back what it got').waitFor();
      expect(await page.locator('.opblock').count()).toBe(8);
      await page.getByText('Gives back what it got').click();
      await page.getByRole('button', { name: 'Try it out' }).click();
      await page.getByRole('button', { name: 'Execute' }).click();
      await page.locator('.live-responses-table').getByText('200', { exact: true }).waitFor();
      expect(complaints).toEqual([]);
      expect(elsewhere).toEqual([]);
    } finally {
      await browser.close();
    }
  },
  60_000,
);
