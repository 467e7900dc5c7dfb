import { onTestFinished } from 'vitest';
import type { SandboxOptions } from '../../src/sandbox/options.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import type { Config } from '../../src/settings/load-config.ts';
import type { AttributesOverrides } from '../../src/wiring/attributes.ts';
import { startTestServer } from '../http/support/test-server.ts';
import { attributesUnderTest } from './attributes-under-test.ts';

interface Options extends AttributesOverrides {
  readonly windowsInFlight?: number;
  readonly maxPages?: number;
  readonly showValues?: Config['REPORT_VALUES'];
  readonly cacheTtlSeconds?: number;
}

/** `GET /report` over a real server, with the real Genesys client behind it. Ends with the test. */
export async function startReport(
  genesys: { readonly url: string; readonly environment?: Readonly<Record<string, string>> },
  options: Options = {},
) {
  const { reports, routes } = await attributesUnderTest(
    genesys.environment ?? {
      GENESYS_BASE_URL: genesys.url,
      GENESYS_CLIENT_ID: 'the-client',
      GENESYS_CLIENT_SECRET: 'the-secret',
      WORKER_ENABLED: 'false',
      AUTH_MODE: 'none',
    },
    {
      REPORT_WINDOWS_IN_FLIGHT: options.windowsInFlight ?? 4,
      REPORT_MAX_PAGES: options.maxPages ?? 1000,
      REPORT_VALUES: options.showValues ?? 'enumerations',
      REPORT_CACHE_TTL_SECONDS: options.cacheTtlSeconds ?? 60,
      GENESYS_MAX_TRIES: 3,
    },
    options,
  );
  const server = await startTestServer(routes);
  onTestFinished(() => server[Symbol.asyncDispose]());

  const get = (query = '', headers: Record<string, string> = {}, signal?: AbortSignal) =>
    fetch(`${server.url}/report${query}`, { headers, signal: signal ?? null });
  return {
    ...server,
    reports,
    get,
    /** The JSON of a 200. */
    async json(query = ''): Promise<Record<string, unknown>> {
      const answer = await get(query);
      const body = (await answer.json()) as Record<string, unknown>;
      if (answer.status !== 200) throw new Error(`${answer.status}: ${JSON.stringify(body)}`);
      return body;
    },
    /** Status, code and the whole text of a problem. */
    async problem(query: string, headers: Record<string, string> = {}) {
      const answer = await get(query, headers);
      const text = await answer.text();
      const { code } = JSON.parse(text) as { code: string };
      return { status: answer.status, code, text };
    },
  };
}

export async function sandboxOf(options: SandboxOptions = {}): Promise<Sandbox> {
  const sandbox = await startSandbox(options);
  onTestFinished(() => sandbox.stop());
  return sandbox;
}
