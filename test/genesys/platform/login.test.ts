import { expect, onTestFinished, test } from 'vitest';
import type { SandboxOptions } from '../../../src/sandbox/options.ts';
import { type Sandbox, startSandbox } from '../../../src/sandbox/sandbox.ts';
import { anyCall, failureOf, genesysClient, tokenCache } from '../client-under-test.ts';

async function platformSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const sandbox = await startSandbox({ api: 'platform', ...options });
  onTestFinished(() => sandbox.stop());
  return sandbox;
}

function tokensOf({ environment }: Sandbox, secret = environment['GENESYS_CLIENT_SECRET'] ?? '') {
  return tokenCache(environment['GENESYS_LOGIN_URL'] ?? '', {
    isPlatform: true,
    clientCredentials: {
      clientId: environment['GENESYS_CLIENT_ID'] ?? '',
      clientSecret: secret,
    },
  });
}

const ME = { path: '/api/v2/authorization/subjects/me', scope: 'none' } as const;

test('a token of the login host opens the API', async () => {
  const sandbox = await platformSandbox();
  const { client } = genesysClient(sandbox.url, { tokens: tokensOf(sandbox) });

  const { value } = await client.call(anyCall(ME));

  expect(value).toMatchObject({ id: 'sandbox-client' });
  expect(sandbox.requests.last().map(({ url }) => url)).toEqual([
    '/login/oauth/token',
    '/api/v2/authorization/subjects/me',
  ]);
});

test.each([400, 401] as const)(
  'refused with %i, the region is to be checked too',
  async (status) => {
    const sandbox = await platformSandbox();
    sandbox.platform.login.refusalStatus = status;

    const error = await failureOf(tokensOf(sandbox, 'wrong').get('none'));

    expect(error).toMatchObject({
      code: 'genesys_credentials_refused',
      kind: 'systemic',
      status,
      message: expect.stringMatching(
        /GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET, and that the organisation is in the region of 127\.0\.0\.1:\d+ \(GENESYS_REGION\)/,
      ) as unknown,
    });
  },
);

test('a token that ended, and one that was revoked, are replaced', async () => {
  const sandbox = await platformSandbox();
  const { client } = genesysClient(sandbox.url, { tokens: tokensOf(sandbox) });
  await client.call(anyCall(ME));
  sandbox.platform.login.revokeAll();

  await client.call(anyCall(ME));

  expect(sandbox.platform.login.issued()).toBe(2);
});

test('a missing permission is named as one', async () => {
  const sandbox = await platformSandbox({
    deniedPermissions: ['conversation:customAttributes:schemaView'],
  });
  sandbox.faults.add({ target: 'genesys.authorization', status: 403, code: 'missing.permissions' });
  const { client } = genesysClient(sandbox.url, { tokens: tokensOf(sandbox) });

  const error = await failureOf(
    client.call(anyCall({ ...ME, scope: 'conversation:customAttributes:schemaView' })),
  );

  expect(error).toMatchObject({
    code: 'genesys_forbidden',
    missingPermission: 'conversation:customAttributes:schemaView',
    message: expect.stringContaining(
      'the call needs the permission conversation:customAttributes:schemaView',
    ) as unknown,
  });
});

test('what is over the limit of a token is told when to come again', async () => {
  const sandbox = await platformSandbox({ rateLimitPerMinute: 2 });
  const token = await tokensOf(sandbox).get('none');
  const ask = () => fetch(sandbox.url + ME.path, { headers: { authorization: `Bearer ${token}` } });
  await ask();
  const last = await ask();
  expect(last.headers.get('inin-ratelimit-allowed')).toBe('2');

  const refused = await ask();

  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(refused.headers.get('inin-correlation-id')).toMatch(/^[\w-]{36}$/);
  expect(await refused.json()).toMatchObject({
    code: 'too.many.requests.retry.after',
    status: 429,
  });
});
