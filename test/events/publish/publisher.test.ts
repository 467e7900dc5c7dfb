import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { PutOutcome } from '../../../src/events/ports.ts';
import type { Refusal } from '../../../src/events/publish/delivery.ts';
import { abortable } from '../../../src/lib/abortable.ts';
import { sleep as realSleep, type Sleep } from '../../../src/lib/retry.ts';
import {
  ACCEPTED,
  busFailure,
  busInMemory,
  events,
  publisherOn,
  refused,
  takenEvent,
} from './support/publisher-under-test.ts';

const until = (assertion: () => void) => vi.waitFor(assertion, { timeout: 10_000, interval: 2 });
const names = (count: number, prefix = 'event') =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

/** The pauses of the gate last until the test ends them. */
function heldSleep() {
  const rest = Promise.withResolvers<void>();
  const sleep: Sleep = (ms, signal) =>
    abortable(
      rest.promise.then(() => realSleep(ms, signal)),
      signal,
    );
  return { sleep, end: () => rest.resolve() };
}

describe('batches', () => {
  test('are full while there is enough', async () => {
    const { bus, state } = busInMemory();
    const { add, accepted } = publisherOn(bus);
    add(events(100));
    await until(() => expect(accepted).toHaveLength(100));
    expect(state.calls.map(({ length }) => length)).toEqual(names(10).map(() => 10));
  });

  test('are bounded by bytes', async () => {
    const { bus, state } = busInMemory({ maxBytes: 100 });
    const { add, accepted } = publisherOn(bus);
    add([takenEvent('a', 60), takenEvent('b', 60), takenEvent('c', 40), takenEvent('d', 100)]);
    await until(() => expect(accepted).toHaveLength(4));
    expect(state.calls).toEqual([['a'], ['b', 'c'], ['d']]);
  });

  test('leave without company after the linger time', async () => {
    const { bus, state } = busInMemory();
    const { add, accepted } = publisherOn(bus, { lingerMs: 20 });
    add([takenEvent('a'), takenEvent('b')]);
    await until(() => expect(accepted).toEqual(['a', 'b']));
    expect(state.calls).toEqual([['a', 'b']]);
  });

  test('an entry that is too large for the bus is refused with its size', async () => {
    const { bus, state } = busInMemory({ maxBytes: 100 });
    const refusals: string[] = [];
    const { add, accepted } = publisherOn(bus, {
      onRefused: ({ event, code, message }) =>
        void refusals.push(`${event.eventId} ${code} ${message}`),
    });
    add([takenEvent('giant', 101), takenEvent('a', 10)]);
    await until(() => expect(accepted).toEqual(['a']));
    expect(refusals).toEqual([
      'giant entry_too_large The entry has 101 bytes; the bus takes at most 100',
    ]);
    expect(state.calls.flat()).toEqual(['a']);
  });

  test('no more calls are in flight than allowed', async () => {
    const { bus, state } = busInMemory();
    state.callMs = 5;
    const { add, accepted } = publisherOn(bus, { maxInFlight: 3 });
    add(events(200));
    await until(() => expect(accepted).toHaveLength(200));
    expect(state.maxInFlight).toBe(3);
  });

  test('asks to wait when enough is queued', async () => {
    const { bus } = busInMemory();
    const { publisher, add, accepted } = publisherOn(bus, { maxInFlight: 1 });
    publisher.pause();
    add(events(20));
    expect(publisher.room).toBe(false);
    publisher.resume();
    await publisher.whenRoom(AbortSignal.timeout(5000));
    expect(publisher.room).toBe(true);
    await until(() => expect(accepted).toHaveLength(20));
  });
});

describe('an entry of its own', () => {
  test('is sent again alone while its neighbours are published once', async () => {
    const { bus, state } = busInMemory();
    let failures = 2;
    state.answer = (sent) =>
      sent.map((name) => {
        if (name !== 'event-3' || failures === 0) return ACCEPTED;
        failures -= 1;
        return refused('eventbridge_unavailable', 'retry');
      });
    const { add, accepted, refusals, stats } = publisherOn(bus);
    add(events(10));
    await until(() => expect(accepted).toHaveLength(10));
    expect(state.calls.flat().filter((name) => name !== 'event-3')).toHaveLength(9);
    expect(state.calls.flat().filter((name) => name === 'event-3')).toHaveLength(3);
    expect([...stats.retries]).toEqual([['eventbridge_unavailable', 2]]);
    expect(refusals.size).toBe(0);
  });

  test('is refused when its retries are used up, and knows how often it was sent', async () => {
    const { bus, state } = busInMemory();
    state.answer = (sent) =>
      sent.map((name) => (name === 'bad' ? refused('eventbridge_unavailable', 'retry') : ACCEPTED));
    const refusals: Refusal[] = [];
    const { add } = publisherOn(bus, { onRefused: (refusal) => void refusals.push(refusal) });
    const bad = takenEvent('bad');
    add([takenEvent('good'), bad]);
    await until(() => expect(refusals).toHaveLength(1));
    expect(refusals).toEqual([
      {
        event: bad,
        entry: bad.entry,
        attempts: 4,
        retries: 3,
        code: 'eventbridge_unavailable',
        message: 'refused: eventbridge_unavailable',
        cause: 'retries',
      },
    ]);
  });

  test('is refused also when nothing else is there to show that the bus works', async () => {
    const { bus, state } = busInMemory();
    state.answer = (sent) => sent.map(() => refused('eventbridge_unavailable', 'retry'));
    const { add, refusals } = publisherOn(bus, { retry: { maxRetries: 5, baseMs: 2, capMs: 4 } });
    add([takenEvent('bad')]);
    await until(() => expect(refusals.has('bad')).toBe(true));
    expect(state.calls).toHaveLength(6);
  });

  test('is refused at once when the bus says that it never will be accepted', async () => {
    const { bus, state } = busInMemory();
    state.answer = (sent) =>
      sent.map((name) => (name === 'bad' ? refused('malformed', 'reject') : ACCEPTED));
    const { add, accepted, refusals } = publisherOn(bus);
    add([takenEvent('bad'), takenEvent('good')]);
    await until(() => expect(accepted).toEqual(['good']));
    expect([...refusals]).toEqual([['bad', 'malformed']]);
    expect(state.calls).toHaveLength(1);
  });

  test('that makes whole calls fail is found and refused, the others are published', async () => {
    const { bus, state } = busInMemory();
    state.answer = (sent) =>
      sent.includes('poison')
        ? busFailure('eventbridge_unavailable', 'retry', 500)
        : sent.map(() => ACCEPTED);
    const { add, accepted, refusals } = publisherOn(bus);
    add([...events(15, 'before'), takenEvent('poison'), ...events(15, 'after')]);
    const company = setInterval(() => add([takenEvent('company')]), 2);
    await until(() => expect(refusals.get('poison')).toBe('eventbridge_unavailable'));
    clearInterval(company);
    await until(() => expect(new Set(accepted).size).toBe(31));
    expect([...refusals.keys()]).toEqual(['poison']);
  });

  test('an outcome that is missing is no acceptance', async () => {
    const { bus, state } = busInMemory();
    let first = true;
    state.answer = (sent) => {
      const outcomes = sent.map(() => ACCEPTED);
      if (first) outcomes.pop();
      first = false;
      return outcomes;
    };
    const { add, accepted } = publisherOn(bus);
    add(events(3));
    await until(() => expect(accepted).toHaveLength(3));
    expect(state.calls).toEqual([names(3), ['event-2']]);
  });
});

describe('a call that fails', () => {
  test('a refused batch is split until the guilty entry is alone', async () => {
    const { bus, state } = busInMemory();
    state.answer = (sent) =>
      sent.includes('event-6')
        ? busFailure('eventbridge_refused', 'reject', 400)
        : sent.map(() => ACCEPTED);
    const { add, accepted, refusals } = publisherOn(bus);
    add(events(10));
    await until(() => expect(accepted).toHaveLength(9));
    expect([...refusals]).toEqual([['event-6', 'eventbridge_refused']]);
    expect(state.calls.length).toBeLessThan(10);
  });

  test('an unknown outcome is repeated and uses up no retries', async () => {
    const { bus, state } = busInMemory();
    let calls = 0;
    state.answer = (sent) => {
      calls += 1;
      return calls % 3 > 0 ? busFailure('eventbridge_timeout', 'retry') : sent.map(() => ACCEPTED);
    };
    const { add, accepted, refusals } = publisherOn(bus, {
      retry: { maxRetries: 5, baseMs: 1, capMs: 5 },
    });
    add(events(200));
    await until(() => expect(new Set(accepted).size).toBe(200));
    expect(refusals.size).toBe(0);
  });

  test('throttling sets a pace for all calls and uses up no retries', async () => {
    const { bus, state } = busInMemory();
    let throttle = true;
    state.answer = (sent) =>
      throttle ? busFailure('eventbridge_throttled', 'retry', 400) : sent.map(() => ACCEPTED);
    const { publisher, add, accepted, refusals } = publisherOn(bus, {
      maxInFlight: 8,
      retry: { maxRetries: 0, baseMs: 1, capMs: 10 },
    });
    add(events(100));
    expect(publisher.callsPerSecond).toBeUndefined();
    await until(() => expect(publisher.callsPerSecond).toBeLessThan(20));
    throttle = false;
    await until(() => expect(accepted).toHaveLength(100));
    add(events(1000, 'more'));
    await until(() => expect(accepted).toHaveLength(1100));
    expect(publisher.callsPerSecond).toBeGreaterThan(100);
    expect(refusals.size).toBe(0);
  });

  test('half of all calls throttled: everything is published', async () => {
    const { bus, state } = busInMemory();
    let calls = 0;
    state.answer = (sent) => {
      calls += 1;
      return calls % 2 === 0
        ? sent.map(() => refused('eventbridge_throttled', 'retry'))
        : sent.map(() => ACCEPTED);
    };
    const { add, accepted, refusals } = publisherOn(bus, {
      retry: { maxRetries: 0, baseMs: 1, capMs: 5 },
    });
    add(events(300));
    await until(() => expect(accepted).toHaveLength(300));
    expect(refusals.size).toBe(0);
  });
});

describe('an outage', () => {
  test('closes the gate, uses up no retries, probes one call at a time and ends by itself', async () => {
    const { bus, state } = busInMemory();
    const rest = heldSleep();
    const test = publisherOn(bus, {
      retry: { maxRetries: 2, baseMs: 2, capMs: 20 },
      sleep: rest.sleep,
    });
    test.add(events(5, 'warm'));
    await until(() => expect(test.accepted).toHaveLength(5));
    state.answer = () => busFailure('eventbridge_unavailable', 'retry', 503);
    test.add(events(100));
    await until(() => expect(test.publisher.open).toBe(false));
    expect(test.bus()).toBe('down');

    // Calls from before the gate closed come to their end.
    await until(() => expect(test.publisher.inFlight).toBe(0));
    const callsBefore = state.calls.length;
    state.maxInFlight = 0;
    rest.end();
    await until(() => expect(state.calls.length).toBeGreaterThan(callsBefore + 10));
    expect(state.maxInFlight).toBe(1);
    expect(test.refusals.size).toBe(0);

    state.answer = (sent) => sent.map(() => ACCEPTED);
    await until(() => expect(test.accepted).toHaveLength(105));
    expect(test.bus()).toBe('up');
    expect(test.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  test('every entry refused for the moment, call after call, is an outage too', async () => {
    const { bus, state } = busInMemory();
    state.answer = (sent) => sent.map(() => refused('eventbridge_unavailable', 'retry'));
    const test = publisherOn(bus, { retry: { maxRetries: 5, baseMs: 300, capMs: 3000 } });
    test.add(events(100));
    await until(() => expect(test.bus()).toBe('down'));
    expect(test.refusals.size).toBe(0);
    state.answer = (sent) => sent.map(() => ACCEPTED);
    await until(() => expect(test.accepted).toHaveLength(100));
  });

  test('a systemic error closes the gate at the first call', async () => {
    const { bus, state } = busInMemory();
    const rest = heldSleep();
    const test = publisherOn(bus, {
      maxInFlight: 1,
      retry: { maxRetries: 0, baseMs: 50, capMs: 50 },
      sleep: rest.sleep,
    });
    await until(() => expect(test.bus()).toBe('up'));
    state.answer = () => busFailure('eventbridge_access_denied', 'systemic', 403);
    test.add(events(50));
    await until(() => expect(test.bus()).toBe('down'));
    expect(state.calls).toHaveLength(1);
    expect(test.health.snapshot()[0]?.lastError?.code).toBe('eventbridge_access_denied');

    rest.end();
    state.answer = (sent) => sent.map(() => ACCEPTED);
    await until(() => expect(test.accepted).toHaveLength(50));
    expect(test.refusals.size).toBe(0);
  });

  test('events that may not be published become refusals, while the others go through', async () => {
    const { bus, state } = busInMemory();
    const test = publisherOn(bus);
    const denied = refused('eventbridge_access_denied', 'systemic');
    state.answer = (sent) => sent.map((name) => (name.startsWith('barred') ? denied : ACCEPTED));
    test.add([...events(30), ...events(15, 'barred'), ...events(30, 'later')]);
    await until(() => expect(test.accepted).toHaveLength(60));
    const feed = setInterval(() => test.add([takenEvent('more')]), 5);
    onTestFinished(() => clearInterval(feed));
    await until(() => expect([...test.refusals.keys()].sort()).toEqual(names(15, 'barred').sort()));
    expect(new Set(test.refusals.values())).toEqual(new Set(['eventbridge_access_denied']));
    await until(() => expect(test.bus()).toBe('up'));
  });

  const denied = refused('eventbridge_access_denied', 'systemic');
  const barring = (state: ReturnType<typeof busInMemory>['state'], prefix = 'barred') => {
    state.answer = (sent) => sent.map((name) => (name.startsWith(prefix) ? denied : ACCEPTED));
  };

  test('good events behind more barred ones than fit into the queue are found at once', async () => {
    const { bus, state } = busInMemory();
    barring(state);
    const test = publisherOn(bus, { retry: { maxRetries: 1, baseMs: 20, capMs: 60_000 } });
    test.add(events(2000, 'barred', 'other'));
    await until(() => expect(test.bus()).toBe('down'));
    // The worker hands over more while there is room.
    expect(test.publisher.room).toBe(true);
    test.add(events(40));
    await until(() => expect(test.accepted).toHaveLength(40));
    await until(() => expect(test.refusals.size).toBe(2000));
    await until(() => expect(test.bus()).toBe('up'));
    const calls = state.calls.length;
    test.add(events(500, 'barred-more', 'other'));
    await until(() => expect(test.refusals.size).toBe(2500));
    // Known to be barred: neither a pause nor a retry for each.
    expect(state.calls.length - calls).toBeLessThan(60);
    expect(test.bus()).toBe('up');
  });

  test('replayed letters that are barred go back, and pause nothing even if nothing else comes', async () => {
    const { bus, state } = busInMemory();
    barring(state);
    const test = publisherOn(bus, { retry: { maxRetries: 2, baseMs: 2, capMs: 20 } });
    test.addLetters(events(3000, 'barred', 'other'));
    await until(() => expect(test.refusals.size).toBe(3000));
    test.add(events(20));
    await until(() => expect(test.accepted).toHaveLength(20));
    expect(test.lines).toEqual([]);
    expect(test.bus()).toBe('up');
  });

  test('letters that went back while the bus took nothing condemn no live event of their source', async () => {
    const { bus, state } = busInMemory();
    state.answer = (sent) => sent.map(() => denied);
    const test = publisherOn(bus, { retry: { maxRetries: 1, baseMs: 2, capMs: 20 } });
    test.addLetters(events(5, 'letter', 'other'));
    await until(() => expect(test.refusals.size).toBe(5));
    // A policy that was mended is not everywhere at once.
    let flaps = 1;
    state.answer = (sent) =>
      sent.map((name) => {
        if (!name.startsWith('flapping') || flaps === 0) return ACCEPTED;
        flaps -= 1;
        return denied;
      });
    test.add([takenEvent('good'), takenEvent('flapping', 10, 'other')]);
    await until(() => expect(test.accepted.sort()).toEqual(['flapping', 'good']));
    expect(test.refusals.size).toBe(5);
  });

  test('a bus that takes nothing any more keeps what comes, also of a source that it never took', async () => {
    const { bus, state } = busInMemory();
    const test = publisherOn(bus, { retry: { maxRetries: 0, baseMs: 2, capMs: 20 } });
    test.add(events(20));
    await until(() => expect(test.accepted).toHaveLength(20));
    state.answer = (sent) => sent.map(() => denied);
    test.add(events(10, 'stranger', 'other'));
    await until(() => expect(test.bus()).toBe('down'));
    test.add(events(10, 'known'));
    const before = state.calls.length;
    await until(() => expect(state.calls.length).toBeGreaterThan(before + 20));
    expect(test.refusals.size).toBe(0);
    state.answer = (sent) => sent.map(() => ACCEPTED);
    await until(() => expect(test.accepted).toHaveLength(40));
  });

  test('a source that is let in again is published from then on', async () => {
    const { bus, state } = busInMemory();
    barring(state);
    const test = publisherOn(bus, { retry: { maxRetries: 0, baseMs: 1, capMs: 2 } });
    test.add([...events(5), ...events(5, 'barred', 'other')]);
    await until(() => expect(test.refusals.size).toBe(5));
    state.answer = (sent) => sent.map(() => ACCEPTED);
    test.add(events(5, 'barred-once', 'other'));
    await until(() => expect(test.accepted).toHaveLength(10));
    // Now nothing passes: that is the bus again, and nobody is to blame.
    state.answer = (sent) => sent.map(() => denied);
    test.add([...events(30, 'kept'), ...events(30, 'kept-too', 'other')]);
    await until(() => expect(test.bus()).toBe('down'));
    const before = state.calls.length;
    await until(() => expect(state.calls.length).toBeGreaterThan(before + 10));
    expect(test.refusals.size).toBe(5);
    state.answer = (sent) => sent.map(() => ACCEPTED);
    await until(() => expect(test.accepted).toHaveLength(70));
  });

  test('a bus that refuses the only event is down until something comes through', async () => {
    const { bus, state } = busInMemory();
    const test = publisherOn(bus);
    await until(() => expect(test.bus()).toBe('up'));
    state.answer = (sent) => sent.map(() => refused('eventbridge_access_denied', 'systemic'));
    test.add([takenEvent('only')]);
    await until(() => expect(state.calls.length).toBeGreaterThan(8));
    expect(test.lines.filter(({ msg }) => /again/.test(String(msg)))).toEqual([]);
    expect(test.bus()).toBe('down');
    expect(test.refusals.size).toBe(0);
  });

  test('a Retry-After is for the bus: no call starts before, then everything goes', async () => {
    const { bus, state } = busInMemory();
    const test = publisherOn(bus, { retry: { maxRetries: 0, baseMs: 1, capMs: 2 } });
    const restMs = 300;
    let failedMs = 0;
    let earliestMs = Infinity;
    state.answer = (sent) => {
      if (failedMs > 0) {
        earliestMs = Math.min(earliestMs, performance.now());
        return sent.map(() => ACCEPTED);
      }
      failedMs = performance.now();
      return busFailure('eventbridge_throttled', 'retry', 429, restMs);
    };
    test.add(events(10));
    await until(() => expect(failedMs).toBeGreaterThan(0));
    await until(() => expect(test.publisher.waiting).toBe(10));
    test.add(events(25, 'later'));
    await until(() => expect(test.accepted).toHaveLength(35));
    // A timer may fire a millisecond early.
    expect(earliestMs - failedMs).toBeGreaterThanOrEqual(restMs - 1);
    expect(test.bus()).toBe('up');
    expect(test.refusals.size).toBe(0);
  });

  test('a Retry-After of an hour is obeyed for the longest rest, and parks no event', async () => {
    const { bus, state } = busInMemory();
    const test = publisherOn(bus, { maxHoldMs: 20 });
    let failures = 3;
    state.answer = (sent) => {
      failures -= 1;
      if (failures < 0) return sent.map(() => ACCEPTED);
      return busFailure('eventbridge_unavailable', 'retry', 503, 3_600_000);
    };
    test.add(events(30));
    await until(() => expect(test.accepted).toHaveLength(30));
  });

  test('nothing is sent to a bus that is not known to exist', async () => {
    const { bus, state } = busInMemory();
    state.check = busFailure('eventbridge_bus_missing', 'systemic', 400);
    const test = publisherOn(bus);
    test.add(events(20));
    await until(() => expect(state.checks).toBeGreaterThan(3));
    expect(state.calls).toEqual([]);
    expect(test.bus()).toBe('down');

    state.check = undefined;
    await until(() => expect(test.accepted).toHaveLength(20));
  });

  test('a bus that may not be looked at is tried with what waits, and readiness says so', async () => {
    const { bus, state } = busInMemory();
    state.remark = 'cannot be asked';
    const test = publisherOn(bus, { checkMs: 5 });
    await until(() => expect(test.bus()).toBe('up'));
    expect(test.health.snapshot()[0]?.note).toBe('cannot be asked');
    test.add(events(20));
    await until(() => expect(test.accepted).toHaveLength(20));

    state.answer = (sent) => sent.map(() => refused('eventbridge_access_denied', 'systemic'));
    test.add(events(20, 'later'));
    await until(() => expect(test.bus()).toBe('down'));
    const { checks } = state;
    await until(() => expect(state.checks).toBeGreaterThan(checks + 3));
    expect(test.bus()).toBe('down');
    state.answer = (sent) => sent.map(() => ACCEPTED);
    await until(() => expect(test.accepted).toHaveLength(40));
    await until(() => expect(test.bus()).toBe('up'));
    expect(test.refusals.size).toBe(0);
  });

  test('a bus that vanishes later is noticed by the next check', async () => {
    const { bus, state } = busInMemory();
    const test = publisherOn(bus, { checkMs: 5 });
    await until(() => expect(test.bus()).toBe('up'));
    state.check = busFailure('eventbridge_bus_missing', 'systemic', 400);
    await until(() => expect(test.bus()).toBe('down'));
    expect(test.publisher.open).toBe(false);
  });

  test('a check that fails for the moment does not stop what works', async () => {
    const { bus, state } = busInMemory();
    const test = publisherOn(bus, { checkMs: 2 });
    await until(() => expect(test.bus()).toBe('up'));
    state.check = busFailure('eventbridge_throttled', 'retry', 400);
    const { checks } = state;
    await until(() => expect(state.checks).toBeGreaterThan(checks + 3));
    expect(test.bus()).toBe('up');
  });
});

describe('life', () => {
  test('a pause lets calls finish and starts no more', async () => {
    const { bus, state } = busInMemory();
    const { publisher, add, accepted } = publisherOn(bus);
    await until(() => expect(publisher.open).toBe(true));
    publisher.pause();
    add(events(10));
    await publisher.drain(AbortSignal.timeout(1000));
    expect(state.calls).toEqual([]);
    publisher.resume();
    await until(() => expect(accepted).toHaveLength(10));
  });

  test('drain sends what waits without lingering', async () => {
    const { bus } = busInMemory();
    const { publisher, add, accepted } = publisherOn(bus, { lingerMs: 60_000 });
    await until(() => expect(publisher.open).toBe(true));
    add(events(13));
    await publisher.drain(AbortSignal.timeout(5000));
    expect(accepted).toHaveLength(13);
  });

  test('stop ends calls that hang', async () => {
    const { bus, state } = busInMemory();
    state.callMs = 600_000;
    const { publisher, add, refusals } = publisherOn(bus);
    add(events(10));
    await until(() => expect(publisher.inFlight).toBe(1));
    publisher.stop();
    await until(() => expect(publisher.inFlight).toBe(0));
    expect(refusals.size).toBe(0);
  });
});

test('whatever the bus answers, each event is accepted or refused once, and refused only when it may be', async () => {
  const outcome = fc.constantFrom<PutOutcome>(
    ACCEPTED,
    ACCEPTED,
    ACCEPTED,
    refused('eventbridge_unavailable', 'retry'),
    refused('eventbridge_throttled', 'retry'),
    refused('malformed', 'reject'),
    refused('eventbridge_access_denied', 'systemic'),
  );
  const failure = fc.constantFrom(
    undefined,
    undefined,
    busFailure('eventbridge_timeout', 'retry'),
    busFailure('eventbridge_throttled', 'retry', 400),
    busFailure('eventbridge_refused', 'reject', 400),
    busFailure('eventbridge_credentials', 'systemic', 403),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(failure, fc.array(outcome, { minLength: 10, maxLength: 10 })), {
        maxLength: 30,
      }),
      fc.integer({ min: 1, max: 60 }),
      async (script, count) => {
        const { bus, state } = busInMemory();
        let rejected = 0;
        let call = 0;
        state.callMs = 0;
        state.answer = (sent) => {
          const [error, outcomes] = script[call] ?? [undefined, []];
          call += 1;
          if (error?.kind === 'reject' && sent.length === 1) rejected += 1;
          if (error !== undefined) return error;
          return sent.map((_, index) => outcomes[index] ?? ACCEPTED);
        };
        const refusals: Refusal[] = [];
        const seen = new Map<string, number>();
        const see = (name: string) => seen.set(name, (seen.get(name) ?? 0) + 1);
        const { publisher, add } = publisherOn(bus, {
          retry: { maxRetries: 2, baseMs: 1, capMs: 2 },
          onAccepted: (done) => {
            for (const { eventId } of done) see(eventId);
          },
          onRefused(refusal) {
            see(refusal.event.eventId);
            refusals.push(refusal);
          },
        });
        add(events(count));
        await until(() => expect(seen.size).toBe(count));
        publisher.stop();
        expect([...seen.values()].every((times) => times === 1)).toBe(true);
        expect(rejected).toBeLessThanOrEqual(count);
        for (const { cause, code, retries } of refusals) {
          if (cause === 'retries') expect(retries).toBe(2);
          // The group of all of them may be condemned.
          else if (cause === 'bus') expect(code).toBe('eventbridge_access_denied');
          else expect(['malformed', 'eventbridge_refused']).toContain(code);
          expect(code).not.toBe('eventbridge_throttled');
        }
      },
    ),
    { numRuns: 25 },
  );
}, 60_000);

test('whatever is barred in whatever mix, the good ones come through and the barred ones end as refusals', async () => {
  const denied = refused('eventbridge_access_denied', 'systemic');
  const group = fc.record({
    source: fc.integer({ min: 0, max: 14 }),
    count: fc.integer({ min: 1, max: 120 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(group, { minLength: 1, maxLength: 12 }),
      fc.uniqueArray(fc.integer({ min: 0, max: 14 }), { maxLength: 14 }),
      fc.integer({ min: 0, max: 3 }),
      fc.integer({ min: 1, max: 8 }),
      async (groups, barred, maxRetries, maxInFlight) => {
        const { bus, state } = busInMemory();
        state.callMs = 0;
        const isBarred = (name: string) => barred.includes(Number(name.split('-')[0]));
        state.answer = (sent) => sent.map((name) => (isBarred(name) ? denied : ACCEPTED));
        const test = publisherOn(bus, {
          maxInFlight,
          retry: { maxRetries, baseMs: 2, capMs: 60_000 },
        });
        const all = groups.flatMap(({ source, count }, index) =>
          events(count, `${source}-${index}`, `source-${source}`),
        );
        const named = all.map(({ eventId }) => eventId);
        const good = named.filter((name) => !isBarred(name));
        const bad = named.filter(isBarred);
        // As the worker does: while there is room, in order.
        for (const event of all) {
          await test.publisher.whenRoom(AbortSignal.timeout(10_000));
          test.add([event]);
        }
        const published = () => test.accepted.filter((name) => !name.endsWith('-later'));
        await until(() => expect(published()).toHaveLength(good.length));
        expect(published().sort()).toEqual(good.sort());
        if (good.length === 0) {
          // Where the bus takes none at all, it may be the bus: all are kept.
          expect(test.refusals.size).toBe(0);
        } else {
          // Events go on coming; those that are barred wait for one that passes after them.
          const name = `${good[0]?.split('-')[0]}-later`;
          const feed = setInterval(() => test.add([takenEvent(name)]), 2);
          await until(() => expect(test.refusals.size).toBe(bad.length));
          clearInterval(feed);
          expect([...test.refusals.keys()].sort()).toEqual(bad.sort());
        }
        test.publisher.stop();
      },
    ),
    { numRuns: 40 },
  );
}, 120_000);
