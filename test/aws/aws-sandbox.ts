import { afterEach, beforeEach, vi } from 'vitest';
import { createCredentials } from '../../src/aws/sdk/credentials.ts';
import { createSandboxAws, type SandboxAwsOptions } from '../../src/sandbox/aws/service.ts';
import type { Cloud } from '../../src/sandbox/cloud.ts';
import { createFaults, type Faults } from '../../src/sandbox/faults.ts';
import { startServer } from '../../src/sandbox/http.ts';
import { createRandom } from '../../src/sandbox/random.ts';
import { createRequestLog, type RequestLog } from '../../src/sandbox/request-log.ts';

export interface RunningAws {
  readonly aws: Cloud;
  readonly faults: Faults;
  readonly requests: RequestLog;
  readonly url: string;
  readonly queueUrl: string;
  close(): Promise<void>;
}

/** The AWS half of the sandbox alone, on a free port. */
export async function startAws(options: Partial<SandboxAwsOptions> = {}): Promise<RunningAws> {
  const faults = createFaults({ random: createRandom(7) });
  const requests = createRequestLog();
  const aws = createSandboxAws({ deadLetterQueue: 'dead-letters', buses: ['orders'], ...options });
  const server = await startServer({
    services: [aws.service],
    faults,
    requests,
    host: '127.0.0.1',
    port: 0,
    maxBodyBytes: 8_388_608,
  });
  const queueUrl = aws.environment(server.url)['DLQ_QUEUE_URL'] ?? '';
  return { aws, faults, requests, url: server.url, queueUrl, close: () => server.close() };
}

/** The SDK's default chain finds these credentials; what the machine has does not matter. */
export function useTestCredentials(): void {
  beforeEach(() => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nonexistent');
    vi.stubEnv('AWS_CONFIG_FILE', '/nonexistent');
    for (const name of [
      'AWS_SESSION_TOKEN',
      'AWS_PROFILE',
      'AWS_WEB_IDENTITY_TOKEN_FILE',
      'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
      'AWS_CONTAINER_CREDENTIALS_FULL_URI',
      'AWS_ENDPOINT_URL',
    ]) {
      vi.stubEnv(name, undefined);
    }
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });
}

/** What each adapter is told of the way to AWS. */
export function wayTo(endpoint: string) {
  return {
    credentials: createCredentials(),
    region: 'us-east-1',
    endpoint,
    maxSockets: 8,
    connectTimeoutMs: 1000,
    requestTimeoutMs: 5000,
  };
}
