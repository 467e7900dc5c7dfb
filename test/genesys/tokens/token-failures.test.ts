import { describe, expect, it } from 'vitest';
import type { UpstreamError } from '../../../src/errors.ts';
import {
  CLIENT_CREDENTIALS,
  CLIENT_SECRET,
  capturedLog,
  failureOf,
  JWT_BEARER,
  RETRY,
  TIMEOUTS,
  tokenCache,
} from '../client-under-test.ts';
import { inTurn, json, ok, startFakeGenesys, status } from '../fake-genesys.ts';

describe('failures', () => {
  it.each([
    ['jwt', 400, { error: 'invalid_client', description: 'client not found' }, 'OAUTH_CLIENT_ID'],
    [
      'jwt',
      400,
      { error: 'invalid_grant', error_description: 'bad signature' },
      'OAUTH_PRIVATE_KEY',
    ],
    ['jwt', 400, { error: 'invalid_grant', description: 'unknown subject' }, 'OAUTH_SUBJECT'],
    ['jwt', 401, { error: 'invalid_grant' }, 'OAUTH_PRIVATE_KEY and OAUTH_SUBJECT'],
    ['jwt', 400, { error: 'invalid_grant', description: 'assertion expired' }, 'clock'],
    ['jwt', 403, {}, 'OAUTH_CLIENT_ID, OAUTH_PRIVATE_KEY and OAUTH_SUBJECT'],
    ['cc', 401, { error: 'invalid_client' }, 'GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET'],
    ['cc', 401, { error: 'invalid_client', description: 'wrong secret' }, 'GENESYS_CLIENT_SECRET'],
    ['cc', 400, { error: 'unauthorized_client' }, 'allows the grant client_credentials'],
    ['cc', 400, { error: 'invalid_scope' }, 'event:subscribe'],
    ['cc', 404, {}, 'GENESYS_BASE_URL'],
  ] as const)('a refusal says what to check: %s %i %j', async (kind, status, body, hint) => {
    const genesys = await startFakeGenesys(ok, (_seen, response) =>
      json(response, status, body, { 'inin-correlation-id': 'c-1' }),
    );
    const tokens = tokenCache(genesys.baseUrl, kind === 'jwt' ? { jwtBearer: JWT_BEARER } : {});

    const error = (await failureOf(tokens.get('groups:read'))) as UpstreamError;

    expect(error).toMatchObject({
      code: 'genesys_credentials_refused',
      kind: 'systemic',
      status,
      correlationId: 'c-1',
      tries: 1,
    });
    expect(error.message).toContain(hint);
    for (const said of Object.values(body)) expect(error.message).toContain(said);
    expect(genesys.tokenCalls).toHaveLength(1);
  });

  it('keeps no failure', async () => {
    let refuse = true;
    const genesys = await startFakeGenesys(ok, (_seen, response) =>
      refuse
        ? json(response, 401, { error: 'invalid_client' })
        : json(response, 200, { access_token: 'good', expires_in: 60 }),
    );
    const tokens = tokenCache(genesys.baseUrl);
    await failureOf(tokens.get('groups:read'));
    refuse = false;

    expect(await tokens.get('groups:read')).toBe('good');
  });

  it('repeats after 5xx and 429, and obeys Retry-After', async () => {
    const genesys = await startFakeGenesys(
      ok,
      inTurn(
        status(503),
        status(429, { 'retry-after': '1' }),
        status(200, {}, { access_token: 'good', expires_in: '60' }),
      ),
    );
    const sleeps: number[] = [];
    const tokens = tokenCache(genesys.baseUrl, {
      random: () => 0.999,
      sleep: async (ms) => void sleeps.push(ms),
    });

    expect(await tokens.get('groups:read')).toBe('good');
    expect(sleeps).toEqual([1, 1000]);
  });

  it.each([
    ['HTML', '<html>', 'not JSON'],
    ['no token', '{"expires_in":60}', 'access_token'],
    ['a token with a line feed', '{"access_token":"a\\nb","expires_in":60}', 'access_token'],
    ['a life of nothing', '{"access_token":"abc","expires_in":0}', 'expires_in'],
    ['a life that is no number', '{"access_token":"abc","expires_in":"long"}', 'expires_in'],
    ['another type', '{"access_token":"abc","expires_in":60,"token_type":"mac"}', 'token_type'],
    ['a list', '[]', 'the answer'],
  ])('a 200 with %s is a bad answer', async (_name, body, problem) => {
    const genesys = await startFakeGenesys(ok, (_seen, response) => response.end(body));

    const error = await failureOf(tokenCache(genesys.baseUrl).get('groups:read'));

    expect(error).toMatchObject({ code: 'genesys_bad_answer', kind: 'retry', tries: 3 });
    expect((error as Error).message).toContain(problem);
  });

  it('times out on an endpoint that does not answer', async () => {
    const genesys = await startFakeGenesys(ok, () => undefined);
    const tokens = tokenCache(genesys.baseUrl, {
      timeouts: { ...TIMEOUTS, headersMs: 50 },
      retry: { ...RETRY, maxTries: 2 },
    });

    expect(await failureOf(tokens.get('groups:read'))).toMatchObject({
      code: 'genesys_timeout',
      kind: 'retry',
      tries: 2,
    });
  });

  it('shows no secret, in errors or log, even when the endpoint echoes all it got', async () => {
    const genesys = await startFakeGenesys(ok, (seen, response) =>
      json(response, 400, {
        error: 'invalid_grant',
        description: `got ${seen.body} ${echoOf(seen.headers.authorization)}`,
      }),
    );
    for (const options of [{ jwtBearer: JWT_BEARER }, { clientCredentials: CLIENT_CREDENTIALS }]) {
      const { log, text } = capturedLog();
      const error = (await failureOf(
        tokenCache(genesys.baseUrl, { ...options, log }).get('groups:read'),
      )) as UpstreamError;
      const shown = `${error.message} ${error.stack} ${JSON.stringify(error)} ${text()}`;

      const call = genesys.tokenCalls.at(-1);
      const assertion = new URLSearchParams(call?.body).get('assertion');
      expect(text()).toContain('invalid_grant');
      expect(shown).not.toContain(CLIENT_SECRET);
      expect(shown).not.toContain(call?.headers.authorization?.slice(6) ?? 'Basic ');
      expect(shown).not.toContain(assertion?.slice(0, 40) ?? 'assertion=');
      for (const line of JWT_BEARER.privateKey.split('\n').filter((part) => part.length > 20)) {
        if (!line.startsWith('-----')) expect(shown).not.toContain(line);
      }
    }
  });
});

/** The header, and the secret that is in it. */
function echoOf(authorization = ''): string {
  const decoded = Buffer.from(authorization.slice(6), 'base64').toString();
  return `${authorization} ${decoded} ${decoded.split(':')[1] ?? ''}`;
}
