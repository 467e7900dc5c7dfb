import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createEventBus, type EventBusOptions } from '../../../src/aws/event-bridge.ts';
import { UpstreamError } from '../../../src/errors.ts';
import { createAuthority } from '../../support/certificates.ts';
import { startProxy, startTls, unusedPort } from '../../support/network.ts';
import { type RunningAws, startAws, useTestCredentials, wayTo } from '../aws-sandbox.ts';

useTestCredentials();

const authority = createAuthority();
let sandbox: RunningAws;
let port: string;
beforeEach(async () => {
  sandbox = await startAws();
  ({ port } = new URL(sandbox.url));
});
afterEach(() => sandbox.close());

function busOver(endpoint: string, network: EventBusOptions['network']) {
  const options = { ...wayTo(endpoint), network, busName: 'orders', maxBytes: 1_000_000 };
  const bus = createEventBus(options);
  onTestFinished(() => bus.close());
  return bus;
}

async function failureOf(work: Promise<unknown>): Promise<UpstreamError> {
  const thrown: unknown = await work.catch((error: unknown) => error);
  if (thrown instanceof UpstreamError) return thrown;
  throw new Error('no UpstreamError', { cause: thrown });
}

test('AWS is called through the proxy, with its credentials and an authority of our own', async () => {
  const proxy = await startProxy({ credentials: 'user:geheim' });
  const tlsPort = await startTls(authority.issue('events.test'), Number(port));
  const network = { httpsProxy: proxy.url, authorities: authority.certificate };
  await busOver(`https://events.test:${tlsPort}`, network).check();
  expect(proxy.seen).toEqual([`CONNECT events.test:${tlsPort}`]);
  expect(sandbox.requests.count('aws.events.DescribeEventBus')).toBe(1);
});

test('a certificate that nobody vouches for has a code and an advice of its own', async () => {
  const tlsPort = await startTls(authority.issue('localhost'), Number(port));
  const failure = await failureOf(busOver(`https://localhost:${tlsPort}`, undefined).check());
  expect(failure).toMatchObject({ code: 'eventbridge_certificate', kind: 'systemic' });
  expect(failure.message).toContain('AWS_CA_BUNDLE');
});

describe('a proxy in the way', () => {
  test.each([
    [403, 'systemic'],
    [407, 'systemic'],
    [503, 'retry'],
    ['reset', 'retry'],
  ] as const)('%s is %s, and names it without its credentials', async (answer, kind) => {
    const proxy = await startProxy({ credentials: 'user:geheim' });
    proxy.answer = answer;
    const network = { httpsProxy: proxy.url };
    const failure = await failureOf(busOver('https://events.test', network).check());
    expect(failure).toMatchObject({ code: 'eventbridge_proxy', kind });
    expect(failure.message).toContain(`the proxy 127.0.0.1:${proxy.port}`);
    expect(failure.message).toContain('Check HTTPS_PROXY');
    const everything = `${failure.stack} ${JSON.stringify(failure)} ${String(failure.cause)}`;
    expect(everything).not.toContain('geheim');
  });

  test('that is away may come back', async () => {
    const network = { httpsProxy: `http://127.0.0.1:${await unusedPort()}` };
    const failure = await failureOf(busOver('https://events.test', network).check());
    expect(failure).toMatchObject({ code: 'eventbridge_proxy', kind: 'retry' });
    expect(failure.message).toContain('(ECONNREFUSED)');
  });
});

describe('credentials', () => {
  beforeEach(() => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined);
  });

  /** A server that answers with temporary keys; what it was asked. */
  async function keyServer(answer: (path: string) => string) {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      request.resume();
      response.end(answer(request.url ?? ''));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return { asked, port: (server.address() as AddressInfo).port };
  }
  const expiration = '2099-01-01T00:00:00Z';

  test('of the container come from its metadata service, never through the proxy', async () => {
    const proxy = await startProxy();
    const keys = await keyServer(() =>
      JSON.stringify({
        AccessKeyId: 'ECS',
        SecretAccessKey: 's',
        Token: 't',
        Expiration: expiration,
      }),
    );
    vi.stubEnv('AWS_CONTAINER_CREDENTIALS_FULL_URI', `http://127.0.0.1:${keys.port}/role`);
    await busOver(`http://events.test:${port}`, { httpProxy: proxy.url }).check();
    expect(keys.asked).toEqual(['GET /role']);
    expect(proxy.seen).toEqual([`POST http://events.test:${port}/`]);
  });

  test('of the machine come from its metadata service, never through the proxy', async () => {
    const proxy = await startProxy();
    const keys = await keyServer((path) =>
      path.endsWith('/token')
        ? 'token'
        : path.endsWith('/')
          ? 'role'
          : JSON.stringify({
              Code: 'Success',
              AccessKeyId: 'EC2',
              SecretAccessKey: 's',
              Token: 't',
              Expiration: expiration,
            }),
    );
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', undefined);
    vi.stubEnv('AWS_EC2_METADATA_SERVICE_ENDPOINT', `http://127.0.0.1:${keys.port}`);
    await busOver(`http://events.test:${port}`, { httpProxy: proxy.url }).check();
    expect(keys.asked.length).toBeGreaterThan(1);
    expect(proxy.seen).toEqual([`POST http://events.test:${port}/`]);
  });

  test('of a web identity come from STS, which is called through the proxy', async () => {
    const proxy = await startProxy();
    const folder = await mkdtemp(join(tmpdir(), 'token-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await writeFile(join(folder, 'token'), 'jwt');
    const keys = await keyServer(
      () =>
        '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>' +
        '<Credentials><AccessKeyId>IRSA</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>' +
        `<Expiration>${expiration}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
    );
    vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', join(folder, 'token'));
    vi.stubEnv('AWS_ROLE_ARN', 'arn:aws:iam::123456789012:role/bridge');
    vi.stubEnv('AWS_ENDPOINT_URL_STS', `http://sts.test:${keys.port}`);
    await busOver(`http://events.test:${port}`, { httpProxy: proxy.url }).check();
    expect(proxy.seen).toEqual([
      `POST http://sts.test:${keys.port}/`,
      `POST http://events.test:${port}/`,
    ]);
  });
});
