import type { Permission } from '../../attributes/ports.ts';
import { createEventBus } from '../../aws/event-bridge.ts';
import { createSchemaRegistry } from '../../aws/schema-registry.ts';
import { createDeadLetterQueue } from '../../aws/sqs/dead-letter-queue.ts';
import { coerceError } from '../../errors.ts';
import { createPermissions } from '../../genesys/reference/permissions.ts';
import { createLogger } from '../../lib/logger.ts';
import { createMetricsRegistry } from '../../lib/metrics.ts';
import { createReleasers } from '../../lib/releasers.ts';
import type { Config } from '../../settings/load-config.ts';
import { awsConnections } from '../../wiring/aws.ts';
import { connectGenesys } from '../../wiring/genesys.ts';
import type { CheckResult } from './check-configuration.ts';

/** One question to one remote service; resolves to a remark, rejects with what is wrong. */
interface Question {
  readonly subject: string;
  readonly ask: ((signal: AbortSignal) => Promise<string | void>) | undefined;
  /** Why it is not asked. */
  readonly skipped?: string;
}

const QUESTION_TIMEOUT_MS = 20_000;

/**
 * Whether every remote service that these settings name can be reached and used. Asks only what
 * changes nothing: no subscription is made, no event, letter or metric is sent.
 */
export async function checkRemote(config: Config): Promise<readonly CheckResult[]> {
  const log = createLogger({ level: 'silent' });
  const registry = createMetricsRegistry();
  const releasers = createReleasers();
  try {
    const questions = [
      ...genesysQuestions({ ...config, GENESYS_MAX_TRIES: 2 }),
      ...awsQuestions(config),
    ];
    return await Promise.all(questions.map(answer));
  } finally {
    await releasers.release();
  }

  function genesysQuestions(patient: Config): Question[] {
    const traces = { getStore: () => undefined };
    const { tokens, client } = connectGenesys({
      config: patient,
      log,
      registry,
      releasers,
      traces,
    });
    const permissions = createPermissions(client);
    const granted = (permission: Permission) => async (signal: AbortSignal) => {
      const held = await permissions.effective(signal);
      if (held.has(permission)) return 'granted';
      throw permissions.missing(permission);
    };
    return [
      {
        subject: `Genesys token for attributes and analytics (${tokens.grantOf('customattributes:write')})`,
        ask: async (signal) => void (await tokens.get('customattributes:write', signal)),
      },
      {
        subject: `Genesys token for events (${tokens.grantOf('event:subscribe')})`,
        ask: async (signal) => void (await tokens.get('event:subscribe', signal)),
      },
      {
        subject: 'Genesys permission customattributes:write',
        ask: granted('customattributes:write'),
      },
      { subject: 'Genesys permission analytics:read', ask: granted('analytics:read') },
    ];
  }

  function awsQuestions({ EVENTBUS_NAME, DLQ_QUEUE_URL, ...settings }: Config): Question[] {
    const { EVENT_SCHEMA_REGISTRY, EVENT_SCHEMA_NAME, EVENT_SCHEMA_VERSION } = settings;
    const connections = awsConnections(config);
    const questions: Question[] = [];
    if (config.WORKER_ENABLED && DLQ_QUEUE_URL !== undefined) {
      const bus = createEventBus({
        ...connections.eventBridge,
        busName: EVENTBUS_NAME,
        maxBytes: config.EVENTBUS_MAX_BATCH_BYTES,
      });
      releasers.push('event bus', () => bus.close());
      const queue = createDeadLetterQueue({
        ...connections.queueAt(DLQ_QUEUE_URL),
        queueUrl: DLQ_QUEUE_URL,
      });
      releasers.push('dead-letter queue', () => queue.close());
      questions.push(
        {
          subject: `EventBridge bus ${EVENTBUS_NAME}`,
          ask: (signal) => bus.check(signal),
        },
        {
          subject: `SQS dead-letter queue ${DLQ_QUEUE_URL}`,
          ask: (signal) => queue.check(signal),
        },
      );
    } else {
      questions.push({
        subject: 'EventBridge and SQS',
        ask: undefined,
        skipped: 'WORKER_ENABLED=false',
      });
    }
    if (EVENT_SCHEMA_REGISTRY !== undefined && EVENT_SCHEMA_NAME !== undefined) {
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
    questions.push({
      subject: 'CloudWatch metrics',
      ask: undefined,
      skipped: 'cannot be asked without sending one; needs cloudwatch:PutMetricData',
    });
    return questions;
  }
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
