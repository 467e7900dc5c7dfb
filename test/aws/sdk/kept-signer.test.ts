import { HttpRequest } from '@smithy/core/protocols';
import { Hash } from '@smithy/core/serde';
import { SignatureV4 } from '@smithy/signature-v4';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createKeptSigner } from '../../../src/aws/sdk/kept-signer.ts';

const word = fc.string({
  unit: fc.constantFrom(...'abcXYZ0189+/='.split('')),
  minLength: 1,
  maxLength: 40,
});
const identity = fc.record(
  { accessKeyId: word, secretAccessKey: word, sessionToken: word },
  { requiredKeys: ['accessKeyId', 'secretAccessKey'] },
);
const path = fc
  .array(fc.string({ unit: fc.constantFrom(..."aZ09-_.~!'()*%@:".split('')), minLength: 1 }), {
    maxLength: 3,
  })
  .map((segments) => new URL(`http://x/${segments.join('/')}`).pathname);
const call = fc.record({
  identity: fc.nat({ max: 2 }),
  path,
  body: fc.string({ unit: 'grapheme', maxLength: 300 }),
  target: word,
  signingDate: fc.date({
    min: new Date('2000-01-01'),
    max: new Date('2099-12-31'),
    noInvalidDate: true,
  }),
});

test("signs any requests, whatever keys and days they have, as AWS' own library does", async () => {
  const regions = fc.constantFrom('us-east-1', 'eu-central-2', 'cn-north-1');
  const identities = fc.array(identity, { minLength: 3, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(regions, identities, fc.array(call), async (region, keys, calls) => {
      let current = keys[0] as (typeof keys)[number];
      const options = { region, service: 'events', credentials: async () => current };
      const ours = createKeptSigner(options);
      const theirs = new SignatureV4({ ...options, sha256: Hash.bind(null, 'sha256') as never });
      for (const { identity: which, path: asked, body, target, signingDate } of calls) {
        current = keys[which] as typeof current;
        const request = () =>
          new HttpRequest({
            protocol: 'https:',
            hostname: 'events.example',
            method: 'POST',
            path: asked,
            headers: {
              host: 'events.example:8443',
              'content-type': 'application/x-amz-json-1.1',
              'x-amz-target': target,
              'user-agent': 'interaction-bridge',
            },
            body,
          });
        const mine = await ours.sign(request(), { signingDate });
        const { headers } = await theirs.sign(request(), { signingDate });
        expect(mine.headers).toEqual(headers);
      }
    }),
  );
});
