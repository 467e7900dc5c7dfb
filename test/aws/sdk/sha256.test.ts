import { createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createSha256 } from '../../../src/aws/sdk/sha256.ts';

const Sha256 = createSha256();

test("agrees with Node's hash and HMAC for secrets of every kind, and for one used again", async () => {
  const bytes = fc.uint8Array({ maxLength: 100 });
  await fc.assert(
    fc.asyncProperty(bytes, fc.string(), fc.array(bytes), async (secret, text, parts) => {
      const data = Buffer.concat(parts);
      const kinds = [undefined, text, secret, secret, secret.buffer];
      for (const kind of kinds) {
        const sum = new Sha256(kind);
        for (const part of parts) sum.update(part);
        const expected =
          kind === undefined
            ? createHash('sha256')
            : createHmac('sha256', typeof kind === 'string' ? kind : secret);
        expect(await sum.digest()).toEqual(expected.update(data).digest());
      }
    }),
  );
});

test('reset begins anew with the same secret', async () => {
  const sum = new Sha256('key');
  sum.update('one');
  sum.reset();
  sum.update('two');
  expect(await sum.digest()).toEqual(createHmac('sha256', 'key').update('two').digest());
});
