import { execFileSync, spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { toMessage } from '../../src/aws/sqs/letter-message.ts';
import type { DeadLetter } from '../../src/events/ports.ts';

const document = await readFile('docs/dead-letters.md', 'utf8');

function letter(originalEvent: unknown): DeadLetter {
  return {
    originalEvent,
    error: 'e',
    timestamp: '2026-01-02T03:04:05.678Z',
    retryAttempt: 5,
    stage: 'publish',
    errorCode: 'eventbridge_throttled',
    attempts: 6,
    cause: 'retries',
    eventId: '6f5c3b1e-1111-4222-8333-444455556666',
    firstSeen: '2026-01-02T03:04:00.000Z',
    expressionVersion: 'x',
    schemaVersion: 's',
    transformedEvent: { source: 'genesys.cloud' },
  };
}

const noise = Array.from({ length: 20_000 }, (_, n) => Math.sin(n)).join();
const LIMIT = 16_384;
const hasPython = spawnSync('python3', ['--version']).status === 0;

test.each([
  ['plain', { id: 1 }],
  ['packed', { text: 'compressible '.repeat(10_000) }],
  ['cut', { noise }],
])('a letter that is %s has the members and attributes of the document only', async (_, event) => {
  const { body, attributes } = await toMessage(letter(event), LIMIT);
  for (const name of Object.keys(JSON.parse(body) as object))
    expect(document).toContain(`\`${name}\``);
  for (const name of Object.keys(attributes)) expect(document).toContain(`\`${name}\``);
});

test.skipIf(!hasPython).each([
  ['plain', { id: 1 }],
  ['packed', { text: 'compressible '.repeat(10_000) }],
])('the Python of the document reads a letter that is %s', async (_, event) => {
  const [, python = ''] = /```python\n([^`]*)```/.exec(document) ?? [];
  const program = `${python}\nimport sys\nprint(json.dumps(original_event(sys.stdin.read())))`;
  const { body } = await toMessage(letter(event), LIMIT);
  const text = execFileSync('python3', ['-c', program], { input: body, encoding: 'utf8' });
  expect(JSON.parse(text)).toEqual(event);
});
