// The whole service behind a forward proxy, with an authority of the house in the way of TLS.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair } from 'jose';
import { expect, onTestFinished, test } from 'vitest';
import { createGenesysClient } from '../src/genesys/client.ts';
import { createTokenCache } from '../src/genesys/tokens/token-cache.ts';
import { createKeySet } from '../src/http/auth/key-set.ts';
import { createTokenBucket } from '../src/lib/limits/token-bucket.ts';
import { createLogger } from '../src/lib/logger.ts';
import { createMetricsRegistry } from '../src/lib/metrics.ts';
import type { Network } from '../src/lib/network/outgoing-agent.ts';
import { startSandbox } from '../src/sandbox/sandbox.ts';
import { startApp, until } from './support/app.ts';
import { createAuthority } from './support/certificates.ts';
import { startProxy, startTls, unusedPort } from './support/network.ts';
import { interactions } from './support/worker-under-test.ts';

const authority = createAuthority();

test('Genesys and AWS are called through the proxy only, and its credentials are told nobody', async () => {
  const sandbox = await startSandbox();
  const proxy = await startProxy({ credentials: 'user:geheim' });
  const port = await startTls(
    authority.issue('genesys.test', 'aws.test'),
    Number(new URL(sandbox.url).port),
  );
  const folder = await mkdtemp(join(tmpdir(), 'authorities-'));
  await writeFile(join(folder, 'ca.pem'), authority.certificate);
  const app = await startApp({
    ...sandbox.environment,
    GENESYS_BASE_URL: `https://genesys.test:${port}`,
    AWS_ENDPOINT_URL: `https://aws.test:${port}`,
    https_proxy: proxy.url,
    EVENT_STREAM_RETRY_MAX_MS: '100',
    NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'),
  });
  onTestFinished(async () => {
    await app.stop();
    await sandbox.stop();
    await rm(folder, { recursive: true, force: true });
  });
  await app.ready();
  sandbox.emit(interactions(30));
  await until(() => sandbox.cloud.busEventCount() === 30, 'thirty events on the bus');
  expect(new Set(proxy.seen)).toEqual(
    new Set([`CONNECT genesys.test:${port}`, `CONNECT aws.test:${port}`]),
  );
  // The stream has a socket of its own; calls share the others.
  expect(proxy.seen.length).toBeLessThan(30);

  // The next connections meet a proxy that wants other credentials.
  proxy.answer = 407;
  sandbox.stream.cut();
  const status = async () => (await app.get('/status')).text();
  await until(async () => (await status()).includes('"genesys_proxy"'), 'a word on the proxy');
  const told =
    (await status()) + JSON.stringify(app.log) + (await (await app.get('/metrics')).text());
  expect(told).toContain('wants other credentials (HTTP 407)');
  expect(told).not.toContain('geheim');
  proxy.answer = undefined;
  await app.ready();
});

function genesysOver(baseUrl: string, network: Network | undefined) {
  const log = createLogger({ level: 'silent' });
  const timeouts = { connectMs: 500, headersMs: 1000, bodyMs: 1000, tryMs: 2000 };
  const retry = { maxTries: 2, baseMs: 1, capMs: 2 };
  const clientCredentials = { clientId: 'c', clientSecret: 's' };
  const common = { baseUrl, network, timeouts, retry, log };
  const tokens = createTokenCache({ ...common, clientCredentials, renewalSeconds: 300 });
  const client = createGenesysClient({
    ...common,
    tokens,
    bucket: createTokenBucket({ perMinute: 1000 }),
    maxConnections: 2,
    registry: createMetricsRegistry(),
  });
  onTestFinished(async () => {
    await client.close();
    await tokens.close();
  });
  return tokens.get('event:subscribe');
}

test('what is wrong on the way to Genesys has a code and an advice of its own', async () => {
  const sandbox = await startSandbox();
  onTestFinished(() => sandbox.stop());
  const port = await startTls(authority.issue('localhost'), Number(new URL(sandbox.url).port));
  await expect(genesysOver(`https://localhost:${port}`, undefined)).rejects.toMatchObject({
    code: 'genesys_certificate',
    kind: 'systemic',
    message: expect.stringContaining('NODE_EXTRA_CA_CERTS') as string,
  });

  const proxy = await startProxy();
  proxy.answer = 403;
  const network = { httpsProxy: proxy.url };
  await expect(genesysOver('https://genesys.test', network)).rejects.toMatchObject({
    code: 'genesys_proxy',
    kind: 'systemic',
    message: expect.stringContaining('Check HTTPS_PROXY') as string,
  });

  const away = { httpsProxy: `http://u:geheim@127.0.0.1:${await unusedPort()}` };
  await expect(genesysOver('https://genesys.test', away)).rejects.toMatchObject({
    code: 'genesys_proxy',
    kind: 'retry',
    tries: 2,
    message: expect.not.stringContaining('geheim') as string,
  });
});

test("the issuer's keys are fetched through the proxy too", async () => {
  const { publicKey } = await generateKeyPair('ES256', { extractable: true });
  const keys = [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256' }];
  const issuer = createServer((_, response) => response.end(JSON.stringify({ keys })));
  await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
  const proxy = await startProxy();
  const port = await startTls(
    authority.issue('issuer.test'),
    (issuer.address() as AddressInfo).port,
  );
  const network = { httpsProxy: proxy.url, authorities: authority.certificate };
  const set = createKeySet({ url: `https://issuer.test:${port}/jwks`, network });
  onTestFinished(async () => {
    await set.stop();
    issuer.closeAllConnections();
    issuer.close();
  });
  expect(await set.find({ kid: 'k', alg: 'ES256' })).toBeInstanceOf(CryptoKey);
  expect(proxy.seen).toEqual([`CONNECT issuer.test:${port}`]);
});
