import { parseAttributes } from '../attributes/definitions/attributes-file.ts';
import { startAttributeDefiner } from '../attributes/definitions/define-attributes.ts';
import { createInheritance } from '../attributes/definitions/inheritance.ts';
import { createLookupLimit } from '../attributes/definitions/lookup-limit.ts';
import { createPermissionCheck } from '../attributes/definitions/permission-check.ts';
import { createRecordImporter } from '../attributes/import-records.ts';
import { createMapMetrics } from '../attributes/map-metrics.ts';
import { createRecordMapper } from '../attributes/map-records.ts';
import { runMappingExamples } from '../attributes/mapping/mapping-examples.ts';
import { parseMapping } from '../attributes/mapping/mapping-file.ts';
import { createRecordConverters } from '../attributes/mapping/record-converter.ts';
import { createUsageReports } from '../attributes/report/usage-reports.ts';
import { createUpserter } from '../attributes/upsert/upsert.ts';
import type { GenesysClient } from '../genesys/client.ts';
import { createAttributeDefinitions } from '../genesys/reference/attribute-definitions.ts';
import { createAttributeWriter } from '../genesys/reference/attribute-writer.ts';
import { createConversations } from '../genesys/reference/conversations.ts';
import { createOrganisationUnits } from '../genesys/reference/organisation-units.ts';
import { createPermissions } from '../genesys/reference/permissions.ts';
import { attributesRoute } from '../http/routes/attributes-route.ts';
import { mapRoute } from '../http/routes/map/map-route.ts';
import { reportRoute } from '../http/routes/report/report-route.ts';
import { createCache } from '../lib/cache.ts';
import { openConfigFile, readConfigFile } from '../lib/files/config-file.ts';
import { createAvailability } from '../lib/health/availability.ts';
import { openFingerprints, skipUnchangedRefusal } from './fingerprints.ts';
import type { Shared } from './shared.ts';

const REPORTS_KEPT = 200;

/** What is no setting; the defaults are those of the parts. */
export interface AttributesOverrides {
  /** Records per write at most. */
  readonly maxBatchSize?: number | undefined;
  /** How long a record of a slow sender waits for a full batch, in milliseconds. */
  readonly lingerMs?: number | undefined;
  /** Longest silence of a report as events, in milliseconds. */
  readonly heartbeatMs?: number | undefined;
  /** Shortest time between two events about a report's progress, in milliseconds. */
  readonly progressEveryMs?: number | undefined;
  /** The clock of reports, epoch milliseconds. */
  readonly now?: (() => number) | undefined;
}

function lookupLimit({ config, served }: Shared): () => void {
  return createLookupLimit({
    perMinute: config.ORGANISATION_LOOKUPS_PER_MINUTE,
    caller: () => served.getStore()?.caller,
  });
}

/** CRM records into attributes, and the report on them. */
export async function openAttributes(
  shared: Shared,
  client: GenesysClient,
  overrides: AttributesOverrides = {},
) {
  const { now } = overrides;
  const { config, log, health, registry, schemas, limits, releasers } = shared;
  const definitions = createAttributeDefinitions(client);
  const inheritance = createInheritance({
    definitions,
    units: createOrganisationUnits(client),
    cache: schemas,
    admit: lookupLimit(shared),
  });
  const permissions = createPermissionCheck({
    permissions: createPermissions(client),
    cache: schemas,
    ttlMs: config.PERMISSION_CACHE_TTL_SECONDS * 1000,
  });
  const mapping = await openConfigFile(
    {
      path: config.MAPPING_FILE,
      setting: 'MAPPING_FILE',
      code: 'invalid_mapping',
      parse: (text) => parseMapping(text, limits),
      log,
      reporter: health.dependency('mapping-file', { required: false }),
    },
    config.HOLD_EDITS_TO_EXAMPLES ? runMappingExamples : undefined,
  );
  releasers.push('mapping file', () => mapping.stop());
  const ownAttributes = await readConfigFile({
    path: config.ATTRIBUTES_FILE,
    setting: 'ATTRIBUTES_FILE',
    code: 'invalid_attributes',
    parse: parseAttributes,
  });
  const defining = createAvailability({
    what: 'Defining attributes in Genesys',
    reporter: health.dependency('attribute-definitions', { role: 'api' }),
    log,
  });
  const metrics = createMapMetrics(registry);
  const writer = createAttributeWriter(client);
  const upserter = createUpserter({
    writer,
    permissionCheck: permissions,
    fingerprints: openFingerprints(shared, metrics),
    metrics,
    log,
    batchSize: config.MAP_BATCH_SIZE,
    minBatchSize: config.MAP_MIN_BATCH_SIZE,
    maxBatchSize: overrides.maxBatchSize,
    maxBatchBytes: config.MAP_MAX_BATCH_BYTES,
    maxInFlight: config.MAP_MAX_IN_FLIGHT,
    targetLatencyMs: config.MAP_TARGET_LATENCY_MS,
  });
  const converters = createRecordConverters({
    permissionCheck: permissions,
    inheritance,
    mapping,
    writer,
    maxBatchBytes: config.MAP_MAX_BATCH_BYTES,
  });
  const mapper = createRecordMapper({ converters, upserter, metrics });
  const importer = createRecordImporter({
    converters,
    upserter,
    metrics,
    maxLineBytes: config.HTTP_LINE_LIMIT_BYTES,
    lingerMs: overrides.lingerMs,
  });
  const reports = createUsageReports({
    conversations: createConversations(client, { maxPages: config.REPORT_MAX_PAGES }),
    inheritance,
    permissions,
    cache: createCache({
      ttlMs: config.REPORT_CACHE_TTL_SECONDS * 1000,
      maxEntries: REPORTS_KEPT,
      now,
    }),
    ownDefinitions: () => ownAttributes,
    maxRunning: config.REPORT_MAX_RUNNING,
    maxRunningPerCaller: config.REPORT_MAX_RUNNING_PER_CALLER,
    windowsInFlight: config.REPORT_WINDOWS_IN_FLIGHT,
    maxPages: config.REPORT_MAX_PAGES,
    showValues: config.REPORT_VALUES,
    now,
  });
  return {
    permissions,
    reports,
    start() {
      const definer = startAttributeDefiner({
        definitions,
        attributes: ownAttributes,
        availability: defining,
        log,
        onCreated: () => schemas.clear(),
      });
      releasers.push('attribute definer', () => definer.stop());
    },
    routes: [
      mapRoute({
        mapper,
        importer,
        maxRecords: config.MAP_MAX_RECORDS,
        skipUnchangedRefusal: skipUnchangedRefusal(shared),
      }),
      attributesRoute(inheritance),
      reportRoute({
        reports,
        cacheTtlSeconds: config.REPORT_CACHE_TTL_SECONDS,
        heartbeatMs: overrides.heartbeatMs,
        progressEveryMs: overrides.progressEveryMs,
        now,
      }),
    ],
  };
}
