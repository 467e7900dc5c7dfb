import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { expect, test } from 'vitest';
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

test('a part of a file that does not exist is a problem of the caller', async () => {
  await using app = await startTestServer([]);
  const html = await (await fetch(`${app.url}/docs`)).text();
  const path = /\/docs\/[^"]+\.css/.exec(html)?.[0] ?? '';
  const answer = await fetch(`${app.url}${path}`, { headers: { range: 'bytes=99999999-' } });
  expect(answer.status).toBe(416);
  expect(await answer.json()).toMatchObject({ code: 'bad_request' });
});

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
