import { onTestFinished } from 'vitest';
import { createInheritance } from '../../src/attributes/definitions/inheritance.ts';
import { createPermissionCheck } from '../../src/attributes/definitions/permission-check.ts';
import type { AttributeDefinition } from '../../src/attributes/ports.ts';
import {
  createUsageReports,
  type UsageReportOptions,
} from '../../src/attributes/report/usage-reports.ts';
import { createAttributeDefinitions } from '../../src/genesys/reference/attribute-definitions.ts';
import { createConversations } from '../../src/genesys/reference/conversations.ts';
import { createOrganisationUnits } from '../../src/genesys/reference/organisation-units.ts';
import { createPermissions } from '../../src/genesys/reference/permissions.ts';
import { type ReportRouteOptions, reportRoute } from '../../src/http/routes/report/report-route.ts';
import { createCache } from '../../src/lib/cache.ts';
import type { SandboxOptions } from '../../src/sandbox/options.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { genesysClient, tokenCache } from '../genesys/client-under-test.ts';
import { startTestServer } from '../http/support/test-server.ts';

export const OWN_DEFINITIONS: readonly AttributeDefinition[] = [
  { name: 'crm_ticket_id', type: 'string', validationRules: [] },
  {
    name: 'crm_ticket_priority',
    type: 'string',
    validationRules: [{ type: 'regex', value: '^(low|medium|high|critical)$' }],
  },
  { name: 'crm_channel_source', type: 'string', validationRules: [] },
];

type Options = Partial<
  Pick<UsageReportOptions, 'windowsInFlight' | 'maxPages' | 'showValues' | 'now'> &
    Omit<ReportRouteOptions, 'reports'>
>;

/** `GET /report` over a real server, with the real Genesys client behind it. Ends with the test. */
export async function startReport(
  genesys: { readonly url: string; readonly environment?: Readonly<Record<string, string>> },
  options: Options = {},
) {
  const ttlMs = (options.cacheTtlSeconds ?? 60) * 1000;
  const { environment } = genesys;
  const tokens = tokenCache(
    genesys.url,
    environment && {
      jwtBearer: {
        clientId: environment['OAUTH_CLIENT_ID'] ?? '',
        privateKey: environment['OAUTH_PRIVATE_KEY'] ?? '',
        subject: environment['OAUTH_SUBJECT'] ?? '',
      },
    },
  );
  const { client } = genesysClient(genesys.url, { tokens });
  const schemas = createCache({ ttlMs: 60_000, maxEntries: 100 });
  const reports = createUsageReports({
    conversations: createConversations(client, { maxPages: 1000 }),
    inheritance: createInheritance({
      definitions: createAttributeDefinitions(client),
      units: createOrganisationUnits(client),
      cache: schemas,
    }),
    permissions: createPermissionCheck({
      permissions: createPermissions(client),
      cache: schemas,
      ttlMs: 60_000,
    }),
    cache: createCache({
      ttlMs,
      maxEntries: 100,
      ...(options.now === undefined ? {} : { now: options.now }),
    }),
    ownDefinitions: () => OWN_DEFINITIONS,
    windowsInFlight: 4,
    maxPages: 1000,
    showValues: 'enumerations',
    ...options,
  });
  const server = await startTestServer([
    reportRoute({ reports, cacheTtlSeconds: ttlMs / 1000, ...options }),
  ]);
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
