// A DynamoDB in this process (dynalite), with faults before it.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import dynalite from 'dynalite';
import { onTestFinished } from 'vitest';

export interface Dynamo {
  readonly url: string;
  /** Calls so far, by operation. */
  readonly calls: Map<string, number>;
  /** Whether it answers a call itself; the default lets all through. */
  fault: (operation: string, response: ServerResponse) => boolean;
  /** @param type of its partition key `key`; `B` as the service wants it. */
  createTable(name: string, type?: 'B' | 'S'): Promise<void>;
}

/** Ends with the test. */
export async function startDynamo(): Promise<Dynamo> {
  const engine = dynalite({ createTableMs: 0 });
  const calls = new Map<string, number>();
  const server = createServer((request: IncomingMessage, response) => {
    const operation = String(request.headers['x-amz-target']).split('.')[1] ?? '';
    calls.set(operation, (calls.get(operation) ?? 0) + 1);
    if (dynamo.fault(operation, response)) request.resume();
    else engine.emit('request', request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const dynamo: Dynamo = {
    url,
    calls,
    fault: () => false,
    async createTable(TableName, AttributeType = 'B') {
      const client = new DynamoDBClient({
        endpoint: url,
        region: 'us-east-1',
        credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      });
      await client.send(
        new CreateTableCommand({
          TableName,
          KeySchema: [{ AttributeName: 'key', KeyType: 'HASH' }],
          AttributeDefinitions: [{ AttributeName: 'key', AttributeType }],
          BillingMode: 'PAY_PER_REQUEST',
        }),
      );
      client.destroy();
    },
  };
  return dynamo;
}

/** As DynamoDB refuses a call. */
export function refuse(response: ServerResponse, status: number, code: string, message = ''): true {
  const body = JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${code}`, message });
  response.writeHead(status, {
    'content-type': 'application/x-amz-json-1.0',
    'x-amzn-requestid': 'test',
  });
  response.end(body);
  return true;
}
