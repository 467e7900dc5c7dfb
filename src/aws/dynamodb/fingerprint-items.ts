import { randomUUID } from 'node:crypto';
import type {
  AttributeValue,
  DescribeTableCommandOutput,
  DynamoDBClient,
} from '@aws-sdk/client-dynamodb';
import { UpstreamError } from '../../errors.ts';
import { type AwsConnectionOptions, createConnection } from '../sdk/connection.ts';
import type { AwsCall } from '../sdk/failure.ts';
import { patiently } from './patiently.ts';

export interface FingerprintItemsOptions extends AwsConnectionOptions {
  /** Its partition key is `key`, binary; it has no sort key. Its TTL attribute is `expiresAt`. */
  readonly table: string;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** What could not be read after so long is left out, in milliseconds. */
  readonly patienceMs: number;
}

/** One entity of which a write is announced. */
export interface Announced {
  readonly key: Uint8Array;
  /** Nobody else was writing it. */
  readonly isAlone: boolean;
  /** To be taken out of `writing` at the end: this write, and those that will never end. */
  readonly leaving: readonly string[];
}

interface Change {
  readonly expression: string;
  readonly condition?: string;
  readonly values?: Record<string, AttributeValue>;
}

/** Nobody compares with what is older; then DynamoDB's TTL may delete it. */
const KEPT_SECONDS = 90 * 86_400;
/** Whoever announced a write longer ago is dead; a write takes minutes at most. */
const DEAD_AFTER_SECONDS = 86_400;
const NAMES = {
  '#key': 'key',
  '#value': 'value',
  '#last': 'last',
  '#writing': 'writing',
  '#expiresAt': 'expiresAt',
} as const;

/**
 * The items of a table of fingerprints. An item is one entity: `value` is its fingerprint, `writing`
 * the set of announced writes that have not ended, `last` the one that was announced last. Each
 * change is one atomic update of one item:
 *
 * - announced: removes `value`, adds itself to `writing` and becomes `last`; it learns who was
 *   writing then.
 * - ended: leaves `writing`, and sets `value` if nobody was writing when it began and it still is
 *   `last`: nobody has begun since. Otherwise nobody knows which write came last.
 *
 * `last` alone would not do: a write that began earlier may reach Genesys later. All functions throw
 * UpstreamError after one try, and may be repeated. DynamoDB's client is loaded by the first call.
 */
export function createFingerprintItems(options: FingerprintItemsOptions) {
  const { now } = options;
  const { change, read, describe, close } = createCalls(options);
  const expiry = () => ({ N: String(Math.floor(now() / 1000) + KEPT_SECONDS) });

  return {
    /** @param me this write, of `newWrite`. */
    async announce(key: Uint8Array, me: string): Promise<Announced> {
      const before = await change(key, {
        expression: 'SET #last = :me, #expiresAt = :expiry REMOVE #value ADD #writing :mine',
        values: { ':me': { S: me }, ':mine': { SS: [me] }, ':expiry': expiry() },
      });
      // This very update may have been there already, its answer lost.
      const others = (before?.['writing']?.SS ?? []).filter((other) => other !== me);
      const dead = others.filter((other) => secondsOf(me) - secondsOf(other) > DEAD_AFTER_SECONDS);
      return { key, isAlone: dead.length === others.length, leaving: [me, ...dead] };
    },

    /** @param value to be remembered; `undefined` when it is not known what was written. */
    async settle(
      { key, isAlone, leaving }: Announced,
      me: string,
      value: Uint8Array | undefined,
    ): Promise<void> {
      const values = { ':leaving': { SS: [...leaving] }, ':expiry': expiry() };
      if (isAlone && value !== undefined) {
        const isKept = await change(key, {
          expression: 'SET #value = :value, #expiresAt = :expiry DELETE #writing :leaving',
          condition: '#last = :me',
          values: { ...values, ':value': { B: value }, ':me': { S: me } },
        });
        if (isKept !== undefined) return;
      }
      await change(key, {
        expression: 'SET #expiresAt = :expiry DELETE #writing :leaving',
        values,
      });
    },
    newWrite: () => `${Math.floor(now() / 1000)}:${randomUUID()}`,
    read,
    /** Whether the table is there, is ours, and may be read and written; changes nothing. */
    async check(signal?: AbortSignal) {
      requireKey(await describe(signal));
      const nobody = Buffer.from('check');
      const { failure } = await read([nobody], signal);
      if (failure !== undefined) throw failure;
      // Never holds, and yet wants the permission.
      await change(
        nobody,
        {
          expression: 'REMOVE #value',
          condition: 'attribute_exists(#last) AND attribute_not_exists(#last)',
        },
        signal,
      );
    },

    close,
  };
}

function createCalls({ table: TableName, patienceMs, ...options }: FingerprintItemsOptions) {
  const connection = createConnection({ ...options, maxAttempts: 1 });
  let loading: ReturnType<typeof load> | undefined;

  async function load() {
    const { DynamoDBClient, ...commands } = await import('@aws-sdk/client-dynamodb');
    return { client: new DynamoDBClient(connection.clientOptions), ...commands };
  }
  const sdk = () => (loading ??= load());

  async function call<T>(
    operation: string,
    signal: AbortSignal | undefined,
    send: (client: DynamoDBClient, http: { abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    const { client } = await sdk();
    const target = `table "${TableName}"`;
    const about: AwsCall = { service: 'dynamodb', operation, target };
    return connection.call(about, signal, (http) => send(client, http));
  }

  /** @returns what was there before, or `undefined` when the condition does not hold. */
  async function change(
    key: Uint8Array,
    { expression, condition, values }: Change,
    signal?: AbortSignal,
  ) {
    const { UpdateItemCommand } = await sdk();
    const used = `${expression} ${condition ?? ''}`;
    const command = new UpdateItemCommand({
      TableName,
      Key: { key: { B: key } },
      UpdateExpression: expression,
      ConditionExpression: condition,
      ExpressionAttributeNames: Object.fromEntries(
        Object.entries(NAMES).filter(([name]) => used.includes(name)),
      ),
      ExpressionAttributeValues: values,
      ReturnValues: 'ALL_OLD',
    });
    return call('UpdateItem', signal, async (client, http) => {
      try {
        return (await client.send(command, http)).Attributes ?? {};
      } catch (error) {
        if (error instanceof Error && error.name === 'ConditionalCheckFailedException') {
          return undefined;
        }
        throw error;
      }
    });
  }

  /** The values of these keys, read consistently; fewer when the table does not give them all. */
  async function read(keys: readonly Uint8Array[], signal?: AbortSignal) {
    const { BatchGetItemCommand } = await sdk();
    const found = new Map<string, Uint8Array>();
    let pending = keys.map((key) => ({ key: { B: key } }));
    const failure = await patiently(patienceMs, async () => {
      const command = new BatchGetItemCommand({
        RequestItems: {
          [TableName]: {
            Keys: pending,
            ConsistentRead: true,
            ProjectionExpression: '#key, #value',
            ExpressionAttributeNames: { '#key': NAMES['#key'], '#value': NAMES['#value'] },
          },
        },
      });
      const answer = await call('BatchGetItem', signal, (client, http) =>
        client.send(command, http),
      );
      for (const { key, value } of answer.Responses?.[TableName] ?? []) {
        if (key?.B !== undefined && value?.B !== undefined) found.set(textOf(key.B), value.B);
      }
      pending = (answer.UnprocessedKeys?.[TableName]?.Keys ?? []) as typeof pending;
      return pending.length === 0 ? undefined : leftOver('BatchGetItem', TableName);
    });
    return { found, failure, missing: pending.length };
  }

  async function describe(signal?: AbortSignal) {
    const { DescribeTableCommand } = await sdk();
    const command = new DescribeTableCommand({ TableName });
    return call('DescribeTable', signal, (client, http) => client.send(command, http));
  }

  return { change, read, describe, close: () => connection.close() };
}

function requireKey({ Table: table, $metadata }: DescribeTableCommandOutput): void {
  const { KeySchema = [], AttributeDefinitions = [] } = table ?? {};
  const [key, sort] = KeySchema;
  const type = AttributeDefinitions.find(({ AttributeName }) => AttributeName === 'key');
  if (key?.AttributeName === 'key' && type?.AttributeType === 'B' && sort === undefined) return;
  throw new UpstreamError(
    `DynamoDB has table "${table?.TableName}" with another key; wanted is the partition key "key" of type B (binary) and no sort key`,
    {
      service: 'dynamodb',
      code: 'dynamodb_unusable_table',
      kind: 'systemic',
      correlationId: $metadata.requestId,
    },
  );
}

function leftOver(operation: string, table: string): UpstreamError {
  return new UpstreamError(`DynamoDB ${operation} left keys of table "${table}" out`, {
    service: 'dynamodb',
    code: 'dynamodb_throttled',
    kind: 'retry',
    throttled: true,
  });
}

function secondsOf(write: string): number {
  return Number.parseInt(write, 10);
}

/** A key as text. */
export function textOf(key: Uint8Array): string {
  return Buffer.from(key).toString('hex');
}
