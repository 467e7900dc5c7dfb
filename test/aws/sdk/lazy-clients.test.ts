import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

test('the client of DynamoDB is not loaded with the app, but by the first call', () => {
  const script = `
    import Module from 'node:module';
    const has = (name) => Object.keys(Module._cache).some((file) => file.includes(name));
    const { createFingerprintTable } = await import('./src/aws/dynamodb/fingerprint-table.ts');
    await import('./src/app.ts');
    const before = [has('client-sqs'), has('client-dynamodb')];
    const credentials = { provide: async () => ({}), generation: 0, renew: () => false };
    const way = { credentials, region: 'x', endpoint: 'http://127.0.0.1:1', maxSockets: 1 };
    const times = { connectTimeoutMs: 100, requestTimeoutMs: 100 };
    const table = createFingerprintTable({ ...way, ...times, table: 'any', onFailure() {} });
    await table.check().catch(() => undefined);
    console.log(JSON.stringify([...before, has('client-dynamodb')]));
  `;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  expect(JSON.parse(output)).toEqual([true, false, true]);
});
