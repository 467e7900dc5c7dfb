import type { MapMetrics } from '../attributes/map-metrics.ts';
import type { Fingerprints } from '../attributes/ports.ts';
import { createFingerprintFile } from '../attributes/upsert/fingerprint-file.ts';
import { createFingerprintTable } from '../aws/dynamodb/fingerprint-table.ts';
import { createAvailability } from '../lib/health/availability.ts';
import { startDependencyCheck } from '../lib/health/dependency-check.ts';
import { awsConnections } from './aws.ts';
import type { Shared } from './shared.ts';

const CHECK_EVERY_MS = 60_000;
const CHECK_RETRY = { baseMs: 1000, capMs: 30_000 };

/** What `skipUnchanged` rests on: a table that all processes share, or a file of this one. */
export function openFingerprints(shared: Shared, metrics: MapMetrics): Fingerprints {
  const { config, releasers } = shared;
  const fingerprints =
    config.FINGERPRINT_TABLE === undefined
      ? createFingerprintFile({
          path: config.FINGERPRINT_PATH,
          maxRows: config.FINGERPRINT_MAX_ROWS,
        })
      : openTable(shared, metrics, config.FINGERPRINT_TABLE);
  releasers.push('fingerprints', () => fingerprints.close());
  return fingerprints;
}

function openTable({ config, health, log, releasers }: Shared, metrics: MapMetrics, table: string) {
  const availability = createAvailability({
    what: 'The fingerprint table',
    // Without it nothing is written, but reports and letters do not need it.
    reporter: health.dependency('fingerprints', { required: false }),
    log,
  });
  const fingerprints = createFingerprintTable({
    ...awsConnections(config, log).dynamoDb,
    table,
    onFailure(error, operation, records) {
      metrics.fingerprintFailures(operation, records);
      availability.down(error, CONSEQUENCES[operation]);
    },
  });
  const check = startDependencyCheck({
    check: async (signal) => {
      await fingerprints.check(signal);
      return `table ${table}`;
    },
    availability,
    consequence: () => CONSEQUENCES.announce,
    intervalMs: CHECK_EVERY_MS,
    retry: CHECK_RETRY,
  });
  releasers.push('check of the fingerprint table', () => check.stop());
  return fingerprints;
}

const CONSEQUENCES = {
  ask: 'records may be written although Genesys has them like this',
  announce: 'records are not written',
  settle: 'what was written may be written again',
};

/**
 * Why this process must not say that a record is unchanged: others may write too, and it would not
 * know. It is alone when it does everything itself.
 */
export function skipUnchangedRefusal({ config, roles }: Shared): string | undefined {
  const { BUFFER_QUEUE_URL, FINGERPRINT_TABLE } = config;
  if (FINGERPRINT_TABLE !== undefined) return undefined;
  const isAlone = BUFFER_QUEUE_URL === undefined && roles.has('reader') && roles.has('publisher');
  if (isAlone) return undefined;
  const because = BUFFER_QUEUE_URL === undefined ? 'ROLES=api' : 'BUFFER_QUEUE_URL';
  return `skipUnchanged is not possible here: with ${because} other processes may write the same records, and this one would not know. Set FINGERPRINT_TABLE, the same for all of them, or leave skipUnchanged out.`;
}
