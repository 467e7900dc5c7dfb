import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createEventBus } from '../../../src/aws/event-bridge.ts';
import { awsFailure } from '../../../src/aws/sdk/failure.ts';
import { UpstreamError } from '../../../src/errors.ts';
import { startAws, useTestCredentials, wayTo } from '../aws-sandbox.ts';

useTestCredentials();

const call = { service: 'eventbridge', operation: 'PutEvents', target: 'bus "orders"' } as const;

/** What only programmers can follow: options of the SDK, its command line, its hidden fields. */
const HINTS =
  /aws (?:sso )?login|Region is missing|\$response|\{error\}|hidden field|fromSSO|any providers|configuration\/credentials file|@aws-sdk|\bclient\b.*\bconfig/;

/** What a call fails with when the SDK finds its credentials by these variables and files. */
async function failureWith(
  environment: Readonly<Record<string, string>>,
  files: { readonly config?: string; readonly credentials?: string } = {},
): Promise<UpstreamError> {
  const folder = await mkdtemp(join(tmpdir(), 'aws-home-'));
  await writeFile(join(folder, 'config'), files.config ?? '');
  await writeFile(join(folder, 'credentials'), files.credentials ?? '');
  const sandbox = await startAws();
  vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined);
  vi.stubEnv('AWS_CONFIG_FILE', join(folder, 'config'));
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(folder, 'credentials'));
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  const bus = createEventBus({ ...wayTo(sandbox.url), busName: 'orders', maxBytes: 1_000_000 });
  onTestFinished(async () => {
    bus.close();
    await sandbox.close();
    await rm(folder, { recursive: true, force: true });
  });
  const thrown: unknown = await bus.check().catch((error: unknown) => error);
  if (thrown instanceof UpstreamError) return thrown;
  throw new Error('no UpstreamError', { cause: thrown });
}

test.each([
  ['nowhere', {}, {}, 'there are none: neither in the environment'],
  [
    'a profile that is not there',
    { AWS_PROFILE: 'gone' },
    {},
    'neither in the environment nor in the shared files (by AWS_PROFILE)',
  ],
  [
    'a profile without keys',
    { AWS_PROFILE: 'empty' },
    { config: '[profile empty]\nregion = us-east-1\n' },
    'neither in the environment nor in the shared files (by AWS_PROFILE)',
  ],
  [
    'a sign-in session that has ended',
    { AWS_PROFILE: 'people' },
    {
      config:
        '[profile people]\nsso_session = ours\nsso_account_id = 1\nsso_role_name = r\n' +
        '[sso-session ours]\nsso_region = us-east-1\nsso_start_url = https://x.awsapps.com/start\n',
    },
    'the sign-in session of the AWS profile has expired',
  ],
  [
    'a profile that is half of a sign-in session',
    { AWS_PROFILE: 'half' },
    { config: '[profile half]\nsso_start_url = https://x.awsapps.com/start\n' },
    'the AWS profile',
  ],
])('credentials from %s: a sentence for operators', async (_name, environment, files, says) => {
  const failure = await failureWith(environment, files);
  expect(failure).toMatchObject({ code: 'eventbridge_credentials', kind: 'systemic' });
  expect(failure.message).toContain(says);
  expect(failure.message).toContain('Check the AWS credentials of this process');
  expect(failure.message).not.toMatch(HINTS);
});

test.each([
  ['a missing region', new Error('Region is missing'), 'eventbridge_endpoint', 'no region is set'],
  [
    "a proxy's page",
    Object.assign(
      new SyntaxError(
        'Unexpected token <\n  Deserialization error: to see the raw response, inspect the hidden field {error}.$response on this object.',
      ),
      { $metadata: { httpStatusCode: 404 } },
    ),
    'eventbridge_endpoint',
    'an answer without a code (HTTP 404)',
  ],
])('%s: a sentence for operators', (_name, thrown, code, says) => {
  const failure = awsFailure(thrown, call);
  expect(failure).toMatchObject({ code });
  expect(failure.message).toContain(says);
  expect(failure.message).not.toMatch(HINTS);
});

test.each([
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'ERR_TLS_CERT_ALTNAME_INVALID',
])('%s is a matter of certificates, and says where to name an authority', (code) => {
  const failure = awsFailure(Object.assign(new Error('self-signed'), { code }), call);
  expect(failure).toMatchObject({ code: 'eventbridge_certificate', kind: 'systemic' });
  expect(failure.message).toContain(`not trusted (${code})`);
  expect(failure.message).toContain('AWS_CA_BUNDLE');
});
