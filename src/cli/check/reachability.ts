import type { Permission } from '../../attributes/ports.ts';
import { createFingerprintTable } from '../../aws/dynamodb/fingerprint-table.ts';
import { createEventBus } from '../../aws/event-bridge.ts';
import { createSchemaRegistry } from '../../aws/schema-registry.ts';
import { createDeadLetterQueue } from '../../aws/sqs/dead-letter-queue.ts';
import { createEventBuffer } from '../../aws/sqs/event-buffer.ts';
import { coerceError } from '../../errors.ts';
import { createPermissions } from '../../genesys/reference/permissions.ts';
import { createLogger } from '../../lib/logger.ts';
import { createMetricsRegistry } from '../../lib/metrics.ts';
import { createReleasers, type Releasers } from '../../lib/releasers.ts';
import type { Config } from '../../settings/load-config.ts';
import { type Role, rolesOf } from '../../settings/roles.ts';
import { regionIn } from '../../settings/rules.ts';
import { type AwsConnections, awsConnections } from '../../wiring/aws.ts';
import { connectGenesys } from '../../wiring/genesys.ts';
import type { CheckResult } from './check-configuration.ts';

/** One question to one remote service; resolves to a remark, rejects with what is wrong. */
interface Question {
  readonly subject: string;
  readonly ask: ((signal: AbortSignal) => Promise<string | void>) | undefined;
  /** Why it is not asked. */
  readonly skipped?: string;
}

interface Asker {
  readonly config: Config;
  readonly releasers: Releasers;
  /** Whether this process has one of these roles. */
  readonly does: (...roles: Role[]) => boolean;
}

const QUESTION_TIMEOUT_MS = 20_000;

/**
 * Whether every remote service that these settings name can be reached and used. Asks only what
 * changes nothing: no subscription is made, no event, letter or metric is sent.
 */
export async function checkRemote(config: Config): Promise<readonly CheckResult[]> {
  const releasers = createReleasers();
  const roles = rolesOf(config);
  const asker = {
    config,
    releasers,
    does: (...some: Role[]) => some.some((role) => roles.has(role)),
  };
  try {
    return await Promise.all([...genesysQuestions(asker), ...awsQuestions(asker)].map(answer));
  } finally {
    await releasers.release();
  }
}

function genesysQuestions({ config, does, releasers }: Asker): Question[] {
  if (!does('api', 'reader')) {
    return [{ subject: 'Genesys', ask: undefined, skipped: 'ROLES has only publisher' }];
  }
  const served = { getStore: () => undefined };
  const { tokens, client } = connectGenesys({
    config: { ...config, GENESYS_MAX_TRIES: 2 },
    log: createLogger({ level: 'silent' }),
    registry: createMetricsRegistry(),
    releasers,
    served,
  });
  const permissions = createPermissions(client);
  const granted = (permission: Permission) => async (signal: AbortSignal) => {
    const held = await permissions.effective(signal);
    if (held.has(permission)) return 'granted';
    throw permissions.missing(permission);
  };
  const questions: Question[] = [];
  if (does('api')) {
    questions.push({
      subject: `Genesys token for attributes and analytics (${tokens.grantOf('customattributes:write')})`,
      ask: async (signal) => void (await tokens.get('customattributes:write', signal)),
    });
  }
  if (does('reader')) {
    questions.push({
      subject: `Genesys token for events (${tokens.grantOf('event:subscribe')})`,
      ask: async (signal) => void (await tokens.get('event:subscribe', signal)),
    });
  }
  if (does('api')) {
    questions.push(
      {
        subject: 'Genesys permission customattributes:write',
        ask: granted('customattributes:write'),
      },
      { subject: 'Genesys permission analytics:read', ask: granted('analytics:read') },
    );
  }
  return questions;
}

function awsQuestions(asker: Asker): Question[] {
  const { config, does, releasers } = asker;
  const { EVENTBUS_NAME, DLQ_QUEUE_URL } = config;
  const { EVENT_SCHEMA_REGISTRY, EVENT_SCHEMA_NAME, EVENT_SCHEMA_VERSION } = config;
  const connections = awsConnections(config);
  const questions: Question[] = [];
  if (does('publisher')) {
    const bus = createEventBus({
      ...connections.eventBridge,
      busName: EVENTBUS_NAME,
      maxBytes: config.EVENTBUS_MAX_BATCH_BYTES,
    });
    releasers.push('event bus', () => bus.close());
    questions.push({
      subject: `EventBridge bus ${EVENTBUS_NAME}`,
      ask: (signal) => bus.check(signal),
    });
  } else {
    questions.push({ subject: 'EventBridge', ask: undefined, skipped: 'ROLES has no publisher' });
  }
  if (DLQ_QUEUE_URL !== undefined) {
    const queue = createDeadLetterQueue({
      ...connections.queueAt(DLQ_QUEUE_URL),
      queueUrl: DLQ_QUEUE_URL,
    });
    releasers.push('dead-letter queue', () => queue.close());
    questions.push({
      subject: `SQS dead-letter queue ${DLQ_QUEUE_URL}`,
      ask: (signal) => queue.check(signal),
    });
  }
  questions.push(...bufferQuestions(asker, connections));
  const usesSchema = does('api', 'publisher');
  if (usesSchema && EVENT_SCHEMA_REGISTRY !== undefined && EVENT_SCHEMA_NAME !== undefined) {
    const schemas = createSchemaRegistry(connections.schemas);
    releasers.push('schema registry', () => schemas.close());
    questions.push({
      subject: `Schema ${EVENT_SCHEMA_REGISTRY}/${EVENT_SCHEMA_NAME}`,
      async ask(signal) {
        const schema = await schemas.describe(
          {
            registry: EVENT_SCHEMA_REGISTRY,
            name: EVENT_SCHEMA_NAME,
            ...(EVENT_SCHEMA_VERSION !== undefined && { version: EVENT_SCHEMA_VERSION }),
          },
          signal,
        );
        return `${schema.type}, version ${schema.version}`;
      },
    });
  }
  questions.push(...fingerprintQuestions(asker, connections));
  const sendsMetrics = does('reader', 'publisher') && config.CLOUDWATCH_ENABLED;
  questions.push({
    subject: 'CloudWatch metrics',
    ask: undefined,
    skipped: sendsMetrics
      ? 'cannot be asked without sending one; needs cloudwatch:PutMetricData'
      : 'none are sent',
  });
  return questions;
}

function fingerprintQuestions(
  { config, does, releasers }: Asker,
  connections: AwsConnections,
): Question[] {
  const { FINGERPRINT_TABLE: table } = config;
  if (table === undefined || !does('api')) return [];
  const fingerprints = createFingerprintTable({
    ...connections.dynamoDb,
    table,
    patienceMs: 0,
    onFailure: () => undefined,
  });
  releasers.push('fingerprint table', () => fingerprints.close());
  return [{ subject: `DynamoDB table ${table}`, ask: (signal) => fingerprints.check(signal) }];
}

function bufferQuestions(
  { config, does, releasers }: Asker,
  connections: AwsConnections,
): Question[] {
  const { BUFFER_QUEUE_URL: queueUrl, BUFFER_MAX_HOLDS: maxHolds, AWS_REGION } = config;
  if (queueUrl === undefined) return [];
  const buffer = createEventBuffer({ ...connections.queueAt(queueUrl), queueUrl, maxHolds });
  releasers.push('event buffer', () => buffer.close());
  const region = regionIn(queueUrl) ?? AWS_REGION;
  return [
    {
      subject: `SQS event buffer ${queueUrl}`,
      async ask(signal) {
        if (does('publisher')) await buffer.checkHolding(signal);
        const { problems, remark } = await buffer.inspect(signal);
        if (problems.length > 0) throw new Error(problems.join('; '));
        const elsewhere = `in ${region}, not in AWS_REGION (${AWS_REGION}): every call crosses regions`;
        const remarks = [remark, region === AWS_REGION ? undefined : elsewhere];
        return remarks.filter((one) => one !== undefined).join('; ') || undefined;
      },
    },
  ];
}

async function answer({ subject, ask, skipped }: Question): Promise<CheckResult> {
  if (ask === undefined) {
    return {
      area: 'remote',
      subject,
      status: 'skipped',
      ...(skipped !== undefined && { message: skipped }),
    };
  }
  try {
    const message = await ask(AbortSignal.timeout(QUESTION_TIMEOUT_MS));
    return {
      area: 'remote',
      subject,
      status: 'ok',
      ...(typeof message === 'string' && { message }),
    };
  } catch (error) {
    return { area: 'remote', subject, status: 'failed', message: coerceError(error).message };
  }
}
