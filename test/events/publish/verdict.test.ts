import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UpstreamError } from '../../../src/errors.ts';
import type { PutOutcome } from '../../../src/events/ports.ts';
import {
  type BusFacts,
  type EntryFacts,
  judge,
  type Verdict,
} from '../../../src/events/publish/verdict.ts';
import { ACCEPTED, busFailure, refused, takenEvent } from './support/publisher-under-test.ts';

const { entry: _entry, ...taken } = takenEvent('fresh');
const REPLAYED = { ...taken, isReplayed: true };
/** Never failed. */
const FRESH: EntryFacts = {
  event: taken,
  group: 'fresh',
  alone: false,
  retries: 0,
  callFailures: 0,
  lastFailedAtMs: 0,
};
/** Open, and something was accepted just now. */
const BUS: BusFacts = {
  open: true,
  maxRetries: 2,
  acceptedMs: 1000,
  failedMs: 500,
  barred: () => undefined,
};
const CLOSED: BusFacts = { ...BUS, open: false };

const passing = refused('eventbridge_unavailable', 'retry');
const throttled = refused('eventbridge_throttled', 'retry');
const denied = refused('eventbridge_access_denied', 'systemic');
const malformed = refused('eventbridge_malformed_detail', 'reject');
const redaction: PutOutcome = {
  accepted: false,
  code: 'eventbridge_redaction_failure',
  message: 'no key',
  kind: 'reject',
  fault: 'bus',
};
const away = busFailure('eventbridge_unavailable', 'retry', 503);
const slow = busFailure('eventbridge_throttled', 'retry', 400);
const expired = busFailure('eventbridge_credentials', 'systemic', 403);
const bad = busFailure('eventbridge_refused', 'reject', 400);

const ACCEPT = { to: 'accept' };
const again = (more: Partial<Extract<Verdict, { to: 'repeat' }>> = {}) => ({
  to: 'repeat',
  own: false,
  suspected: false,
  alone: false,
  failures: 1,
  ...more,
});
const refuse = (cause: string) => ({ to: 'refuse', cause });

interface Case {
  readonly name: string;
  /** What is not said is as in FRESH. */
  readonly batch: readonly Partial<EntryFacts>[];
  readonly answer: readonly PutOutcome[] | Error;
  readonly bus?: BusFacts;
  readonly entries: readonly object[] | 'split';
  readonly throttled?: boolean;
  readonly waitMs?: number;
  /** Of the failure of the bus. */
  readonly kind?: string;
}

const OUTCOMES: readonly Case[] = [
  {
    name: 'all accepted',
    batch: [{}, {}],
    answer: [ACCEPTED, ACCEPTED],
    entries: [ACCEPT, ACCEPT],
  },
  {
    name: 'a passing error beside an accepted one is its own',
    batch: [{}, {}],
    answer: [ACCEPTED, passing],
    entries: [ACCEPT, again({ own: true })],
  },
  {
    name: 'where nobody of several is accepted the bus may be to blame',
    batch: [{}, {}],
    answer: [passing, passing],
    entries: [again({ suspected: true }), again({ suspected: true })],
    kind: 'retry',
  },
  {
    name: 'one that was sent alone fails by itself',
    batch: [{ retries: 1 }],
    answer: [passing],
    entries: [again({ own: true, failures: 2 })],
    kind: 'retry',
  },
  {
    name: 'its last retry is used up',
    batch: [{}, { retries: 2 }],
    answer: [ACCEPTED, passing],
    entries: [ACCEPT, refuse('retries')],
  },
  {
    name: 'throttling is nobody’s fault and uses up nothing',
    batch: [{}, { retries: 2, callFailures: 3 }],
    answer: [ACCEPTED, throttled],
    entries: [ACCEPT, again({ throttled: true, failures: 3 })],
    throttled: true,
  },
  {
    name: 'refused for good, because of the entry or not',
    batch: [{}, {}],
    answer: [malformed, redaction],
    entries: [refuse('entry'), refuse('bus')],
  },
  {
    name: 'what the bus forbids one of several is a matter of this entry',
    batch: [{}, {}, { retries: 2 }],
    answer: [ACCEPTED, denied, denied],
    entries: [ACCEPT, again({ own: true }), refuse('retries')],
  },
  {
    name: 'what the bus forbids all of them is a matter of the bus',
    batch: [{}, {}],
    answer: [denied, passing],
    entries: [again({ suspected: true }), again({ suspected: true })],
    kind: 'systemic',
  },
  {
    name: 'unless others came through since one of its group was barred',
    batch: [{}],
    answer: [denied],
    bus: { ...BUS, barred: () => ({ sinceMs: 900, condemned: false }) },
    entries: [again({ own: true, barred: true })],
  },
  {
    name: 'a group that is barred since the last acceptance proves nothing',
    batch: [{}],
    answer: [denied],
    bus: { ...BUS, barred: () => ({ sinceMs: 1001, condemned: true }) },
    entries: [again({ suspected: true, barred: true })],
    kind: 'systemic',
  },
  {
    name: 'a letter that is replayed says nothing about the bus',
    batch: [{ event: REPLAYED }, { event: REPLAYED, retries: 2 }],
    answer: [denied, denied],
    entries: [again({ own: true, barred: true }), refuse('retries')],
  },
  {
    name: 'of a group that is condemned none needs retries',
    batch: [{}, {}],
    answer: [denied, ACCEPTED],
    bus: { ...BUS, barred: () => ({ sinceMs: 900, condemned: true }) },
    entries: [refuse('bus'), ACCEPT],
  },
  {
    name: 'unless others came through since it failed',
    batch: [{ lastFailedAtMs: 900 }],
    answer: [denied],
    entries: [again({ own: true })],
  },
  {
    name: 'it failed after the last that came through',
    batch: [{ lastFailedAtMs: 1001 }],
    answer: [denied],
    entries: [again({ suspected: true })],
    kind: 'systemic',
  },
  {
    name: 'while the gate is closed nothing is held against an entry',
    batch: [{ retries: 2, callFailures: 9 }],
    answer: [passing],
    bus: CLOSED,
    entries: [again()],
    kind: 'retry',
  },
  {
    name: 'an outcome that is missing is no acceptance',
    batch: [{}, {}],
    answer: [ACCEPTED],
    entries: [ACCEPT, again({ own: true })],
  },
];

const FAILED_CALLS: readonly Case[] = [
  {
    name: 'nobody is to blame at first',
    batch: [{}, {}],
    answer: away,
    entries: [again({ suspected: true }), again({ suspected: true })],
    kind: 'retry',
  },
  {
    name: 'one that was in three failed calls goes alone',
    batch: [{ callFailures: 3 }, {}],
    answer: away,
    entries: [again({ suspected: true, alone: true, failures: 4 }), again({ suspected: true })],
    kind: 'retry',
  },
  {
    name: 'throttled calls make nobody suspicious',
    batch: [{ callFailures: 3 }],
    answer: slow,
    entries: [again({ throttled: true, failures: 3 })],
    throttled: true,
    kind: 'retry',
  },
  {
    name: 'alone, and others came through since it failed: its own',
    batch: [{ alone: true, callFailures: 4, lastFailedAtMs: 900 }],
    answer: away,
    entries: [again({ own: true, alone: true, failures: 4 })],
    kind: 'retry',
  },
  {
    name: 'others failed since, too: not yet its own',
    batch: [{ alone: true, callFailures: 4, lastFailedAtMs: 900 }],
    answer: away,
    bus: { ...BUS, failedMs: 950 },
    entries: [again({ suspected: true, alone: true, failures: 5 })],
    kind: 'retry',
  },
  {
    name: 'after twenty failures it is',
    batch: [{ alone: true, callFailures: 20, lastFailedAtMs: 900 }],
    answer: away,
    bus: { ...BUS, failedMs: 950 },
    entries: [again({ own: true, alone: true, failures: 20 })],
    kind: 'retry',
  },
  {
    name: 'its own, and its last retry is used up',
    batch: [{ alone: true, retries: 2, lastFailedAtMs: 900 }],
    answer: away,
    entries: [refuse('retries')],
    kind: 'retry',
  },
  {
    name: 'a systemic failure is held against nobody',
    batch: [{ callFailures: 3 }, {}],
    answer: expired,
    entries: [again({ failures: 3 }), again()],
    kind: 'systemic',
  },
  { name: 'a refused call of several is split', batch: [{}, {}], answer: bad, entries: 'split' },
  {
    name: 'a refused call of one refuses it',
    batch: [{}],
    answer: bad,
    entries: [refuse('entry')],
  },
  {
    name: 'a Retry-After is for the bus',
    batch: [{}],
    answer: busFailure('eventbridge_unavailable', 'retry', 503, 7000),
    entries: [again({ suspected: true })],
    waitMs: 7000,
    kind: 'retry',
  },
  {
    name: 'a bug is taken for a passing failure',
    batch: [{}],
    answer: new TypeError('x is not a function'),
    entries: [again({ suspected: true, code: 'unexpected_error' })],
    kind: 'retry',
  },
];

describe.each([
  ['outcomes', OUTCOMES],
  ['failed calls', FAILED_CALLS],
])('%s', (_, cases) => {
  test.each(cases)('$name', ({ batch, answer, bus = BUS, entries, ...of }) => {
    const judgement = judge(
      batch.map((facts) => ({ ...FRESH, ...facts })),
      answer,
      bus,
    );
    if (entries === 'split') expect(judgement.entries).toBe(entries);
    else expect(judgement.entries).toMatchObject(entries);
    expect(judgement.throttled).toBe(of.throttled ?? false);
    expect(judgement.waitMs).toBe(of.waitMs);
    expect(judgement.failure?.kind).toBe(of.kind);
  });
});

test('whatever the answer: the codes’ texts decide nothing', () => {
  const kind = fc.constantFrom('retry', 'systemic');
  const code = fc.constantFrom('throttling', 'too_many', 'eventbridge_timeout', 'x');
  fc.assert(
    fc.property(code, kind, fc.boolean(), fc.boolean(), (named, of, isThrottled, whole) => {
      const answer = (name: string) =>
        whole
          ? new UpstreamError('m', {
              service: 'eventbridge',
              code: name,
              kind: of,
              throttled: isThrottled,
            })
          : [
              {
                accepted: false,
                code: name,
                message: 'm',
                kind: of,
                throttled: isThrottled,
              } as const,
            ];
      const withoutCode = (name: string) => {
        const { entries, throttled: was, failure } = judge([FRESH], answer(name), BUS);
        const text = JSON.stringify(entries).replaceAll(name, '');
        return { was, kind: failure?.kind, text };
      };
      expect(withoutCode(named)).toEqual(withoutCode('other'));
      expect(withoutCode(named).was).toBe(isThrottled);
    }),
  );
});

test('no verdict is passed on an entry while the gate is closed, but for what the bus rejects', () => {
  const outcome = fc.constantFrom(ACCEPTED, passing, throttled, denied, malformed);
  const facts = fc.record({
    event: fc.constant(FRESH.event),
    group: fc.constant(FRESH.group),
    alone: fc.boolean(),
    retries: fc.integer({ min: 0, max: 2 }),
    callFailures: fc.nat({ max: 30 }),
    lastFailedAtMs: fc.nat({ max: 2000 }),
  });
  const call = fc.array(fc.tuple(facts, outcome), { minLength: 1, maxLength: 10 });
  fc.assert(
    fc.property(call, fc.option(fc.constantFrom(away, slow, expired)), (entries, error) => {
      const batch = entries.map(([entry]) => entry);
      const outcomes = entries.map(([, one]) => one);
      const verdicts = judge(batch, error ?? outcomes, CLOSED).entries;
      expect(verdicts).toHaveLength(batch.length);
      for (const [index, { alone }] of batch.entries()) {
        const verdict = verdicts[index];
        const rejected = error === null && outcomes[index] === malformed;
        if (error === null && outcomes[index] === ACCEPTED) expect(verdict).toEqual(ACCEPT);
        else if (rejected) expect(verdict).toMatchObject(refuse('entry'));
        else expect(verdict).toMatchObject(again({ alone }));
      }
    }),
  );
});
