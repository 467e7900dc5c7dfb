import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { UpstreamError } from '../../../src/errors.ts';
import { createDeadLetterSender } from '../../../src/events/dead-letters/letter-sender.ts';
import { createJournal } from '../../../src/events/journal/journal.ts';
import type { DeadLetter } from '../../../src/events/ports.ts';
import { createAvailability } from '../../../src/lib/health/availability.ts';
import { createHealth } from '../../../src/lib/health/health.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import { journalFolder } from '../../support/worker-under-test.ts';

const until = (assertion: () => void) => vi.waitFor(assertion, { timeout: 5000, interval: 2 });

function letter(eventId: string): DeadLetter {
  return {
    originalEvent: { id: eventId },
    error: 'reason',
    timestamp: '2026-01-01T00:00:00.000Z',
    retryAttempt: 0,
    stage: 'validate',
    errorCode: 'schema',
    attempts: 0,
    eventId,
    firstSeen: '2026-01-01T00:00:00.000Z',
  };
}

const failure = (kind: 'retry' | 'reject' | 'systemic') =>
  new UpstreamError(`sqs: ${kind}`, { service: 'sqs', code: `sqs_${kind}`, kind });

async function senderUnderTest({ checkMs = 20 } = {}) {
  const journal = createJournal({
    path: join(await journalFolder(), 'journal.db'),
    maxBytes: 1e7,
    maxRows: 1e5,
    dedupeRows: 0,
  });
  const health = createHealth();
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({
    level: 'info',
    destination: { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  });
  const state = {
    sent: [] as string[],
    calls: 0,
    checks: 0,
    hold: undefined as Promise<void> | undefined,
    check: undefined as Error | undefined,
    answer: (_eventId: string): Error | undefined => undefined,
  };
  const sender = createDeadLetterSender({
    journal,
    queue: {
      async send(letters) {
        state.calls += 1;
        await state.hold;
        return letters.map(({ eventId }) => {
          const answer = state.answer(eventId);
          if (answer === undefined) state.sent.push(eventId);
          return answer;
        });
      },
      async check() {
        state.checks += 1;
        if (state.check !== undefined) throw state.check;
      },
    },
    availability: createAvailability({
      what: 'The queue',
      reporter: health.dependency('queue'),
      log,
    }),
    log,
    onSent: (seqs) => void journal.write({ sent: seqs }),
    flush: () => true,
    retry: { baseMs: 2, capMs: 10 },
    checkMs,
  });
  const stopping = new AbortController();
  let running: Promise<unknown> = Promise.resolve();
  onTestFinished(async () => {
    stopping.abort();
    await running.catch(() => undefined);
    journal.close();
  });
  return {
    journal,
    sender,
    state,
    lines,
    queue: () => health.snapshot()[0]?.state,
    start: (): void => {
      running = sender.run(stopping.signal);
      running.catch(() => undefined);
    },
    add: (...ids: readonly string[]): void => {
      journal.write({ letters: ids.map((id) => JSON.stringify(letter(id))) });
      sender.wake();
    },
  };
}

describe('letters on their way to the queue', () => {
  test('a drain ends with its bound, also while a pass of before hangs', async () => {
    const { add, start, state, sender } = await senderUnderTest();
    const held = Promise.withResolvers<void>();
    state.hold = held.promise;
    add('a');
    start();
    await until(() => expect(state.calls).toBe(1));
    await expect(sender.drain(AbortSignal.timeout(50))).rejects.toThrow();
    held.resolve();
    await until(() => expect(state.sent).toEqual(['a']));
  });

  test('leave the journal when the queue has them', async () => {
    const { add, start, journal, state, queue } = await senderUnderTest();
    add('a', 'b');
    start();
    await until(() => expect(journal.letters).toBe(0));
    add('c');
    await until(() => expect(journal.letters).toBe(0));
    expect(state.sent).toEqual(['a', 'b', 'c']);
    expect(queue()).toBe('up');
  });

  test('cost one look at the queue a while, and one after a failure, not one a batch', async () => {
    const { add, start, journal, state } = await senderUnderTest({ checkMs: 60_000 });
    start();
    for (let batch = 0; batch < 10; batch += 1) {
      add(`a-${batch}`);
      await until(() => expect(journal.letters).toBe(0));
    }
    expect(state.checks).toBe(1);
    state.answer = () => {
      state.answer = () => undefined;
      return failure('retry');
    };
    add('b');
    await until(() => expect(journal.letters).toBe(0));
    expect(state.checks).toBe(2);
  });

  test('wait while the queue is missing, and go when it is created', async () => {
    const { add, start, journal, state, queue, lines } = await senderUnderTest();
    state.check = failure('systemic');
    add('a');
    start();
    await until(() => expect(queue()).toBe('down'));
    add('b');
    expect(journal.letters).toBe(2);
    state.check = undefined;
    await until(() => expect(journal.letters).toBe(0));
    expect(state.sent).toEqual(['a', 'b']);
    expect(queue()).toBe('up');
    expect(lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  test('wait while sending fails; those that were taken are not sent again', async () => {
    const { add, start, journal, state, queue } = await senderUnderTest();
    state.answer = (id) => (id === 'a' ? undefined : failure('retry'));
    add('a', 'b', 'c');
    start();
    await until(() => expect(queue()).toBe('down'));
    expect(journal.letters).toBe(2);
    state.answer = () => undefined;
    await until(() => expect(journal.letters).toBe(0));
    expect(state.sent).toEqual(['a', 'b', 'c']);
  });

  test('one that is refused for good stays and holds up no other', async () => {
    const { add, start, journal, state, sender, queue, lines } = await senderUnderTest();
    state.answer = (id) => (id === 'bad' ? failure('reject') : undefined);
    add('bad', ...Array.from({ length: 120 }, (_, index) => `good-${index}`));
    start();
    await until(() => expect(state.sent).toHaveLength(120));
    await until(() => expect(sender.refused).toBe(1));
    expect(journal.lettersAfter(0, 10)).toHaveLength(1);
    expect(queue()).toBe('up');
    expect(lines.some(({ level, eventId }) => level === 'error' && eventId === 'bad')).toBe(true);
  });

  test('drain sends them once more before the end', async () => {
    const { add, sender, journal, state } = await senderUnderTest();
    add('a', 'b');
    await sender.drain(AbortSignal.timeout(1000));
    expect(journal.letters).toBe(0);
    add('c');
    state.answer = () => failure('retry');
    await sender.drain(AbortSignal.timeout(1000));
    expect(journal.letters).toBe(1);
  });
});
