import { describe, expect, test } from 'vitest';
import { echoRoute, startTestServer } from './support/test-server.ts';

const json = { 'content-type': 'application/json' };

describe('a request that is fine', () => {
  test('reaches the use case with typed query, defaults and body', async () => {
    await using app = await startTestServer([echoRoute()]);
    const answer = await fetch(`${app.url}/echo?dryRun=true&days=7`, {
      method: 'POST',
      headers: json,
      body: '{"name":"Zoë"}',
    });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({
      query: { days: 7, dryRun: true },
      body: { name: 'Zoë' },
    });
    expect(answer.headers.get('x-powered-by')).toBeNull();
  });
});
