import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { judgeBuffer } from '../../../src/aws/sqs/buffer-fitness.ts';

const count = (min: number, max: number) => fc.integer({ min, max }).map(String);
const attributes = fc.record(
  {
    DeduplicationScope: fc.constantFrom('queue', 'messageGroup'),
    FifoThroughputLimit: fc.constantFrom('perQueue', 'perMessageGroupId'),
    MessageRetentionPeriod: count(60, 1_209_600),
    MaximumMessageSize: count(1024, 1_048_576),
    DelaySeconds: count(0, 900),
    RedrivePolicy: fc
      .integer({ min: 1, max: 1000 })
      .map((maxReceiveCount) =>
        JSON.stringify({ deadLetterTargetArn: 'arn:aws:sqs:us-east-1:1:x.fifo', maxReceiveCount }),
      ),
  },
  { requiredKeys: [] },
);

test('whatever a queue is like, one command mends all that is wrong with it', () => {
  fc.assert(
    fc.property(attributes, fc.integer({ min: 4, max: 1000 }), (wrong, maxHolds) => {
      const use = { queueUrl: "https://sqs.example/1/it's.fifo", region: 'eu-west-1', maxHolds };
      const found = { FifoQueue: 'true', ...wrong };
      const { problems } = judgeBuffer(found, use);
      const last = problems.at(-1);
      if (last === undefined) return;
      expect(problems.length).toBeGreaterThan(1);
      const json = / --attributes '(\{.*\})'$/.exec(last)?.[1] ?? '';
      const mended = { ...found, ...(JSON.parse(json) as Record<string, string>) };
      expect(judgeBuffer(mended, use).problems).toEqual([]);
    }),
  );
});

test.each([
  ['https://sqs.us-east-1.amazonaws.com/1/buffer.fifo', {}, 'drops no copies'],
  ['https://sqs.us-east-1.amazonaws.com/1/buffer', { FifoQueue: 'true' }, 'it is a FIFO queue'],
])('the name of %s is not what the queue is', (queueUrl, found, said) => {
  const { problems } = judgeBuffer(found, { queueUrl, region: 'us-east-1', maxHolds: 10 });
  expect(problems.join()).toContain(said);
  expect(problems.at(-1)).toContain('aws sqs create-queue');
});
