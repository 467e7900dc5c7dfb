import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createWaitingLine, type Lined } from '../../../src/sandbox/aws/waiting-line.ts';

interface Message extends Lined {
  readonly groupId: string;
}

type Step =
  | { readonly do: 'add'; readonly group: number; readonly delay: number }
  | { readonly do: 'take'; readonly max: number; readonly seconds: number }
  | { readonly do: 'remove' | 'hide'; readonly which: number; readonly seconds: number }
  | { readonly do: 'wait'; readonly seconds: number };

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('add' as const), group: fc.nat(3), delay: fc.nat(1) }),
  },
  fc.record({
    do: fc.constant('take' as const),
    max: fc.integer({ min: 1, max: 4 }),
    seconds: fc.integer({ min: 1, max: 4 }),
  }),
  fc.record({
    do: fc.constantFrom('remove' as const, 'hide' as const),
    which: fc.nat(8),
    seconds: fc.nat(3),
  }),
  fc.record({ do: fc.constant('wait' as const), seconds: fc.nat(3) }),
);

/** The same by looking at every message. */
function takeByScan(messages: readonly Message[], isFifo: boolean, at: number): Message[] {
  const blocked = new Set<string>();
  for (const { groupId, visibleAt } of messages) if (visibleAt > at) blocked.add(groupId);
  return messages.filter(
    ({ groupId, visibleAt }) => visibleAt <= at && !(isFifo && blocked.has(groupId)),
  );
}

describe.each([false, true])('FIFO: %s', (isFifo) => {
  test('gives what a look at every message would give', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
        const line = createWaitingLine<Message>(isFifo);
        const all: Message[] = [];
        let at = 1000;
        let position = 0;
        for (const step of steps) {
          if (step.do === 'add') {
            position += 1;
            const message = {
              messageId: `m${position}`,
              groupId: `g${step.group}`,
              position,
              visibleAt: at + step.delay,
            };
            all.push(message);
            line.add(message, at);
          } else if (step.do === 'take') {
            const free = takeByScan(all, isFifo, at);
            const taken = line.take(step.max, at, at + step.seconds);
            expect(taken).toHaveLength(Math.min(step.max, free.length));
            if (!isFifo) expect(taken).toEqual(free.slice(0, step.max));
            // Of each group the first ones, in their order.
            for (const group of new Set(taken.map(({ groupId }) => groupId))) {
              const ofGroup = (messages: readonly Message[]) =>
                messages.filter(({ groupId }) => groupId === group);
              const mine = ofGroup(taken);
              expect(mine).toEqual(ofGroup(free).slice(0, mine.length));
            }
          } else if (step.do === 'wait') {
            at += step.seconds;
          } else {
            const message = all[step.which];
            if (message === undefined) continue;
            if (step.do === 'hide') line.hide(message, at + step.seconds, at);
            else {
              all.splice(step.which, 1);
              line.remove(message);
            }
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});

test('a receive costs the same, however many are under way', () => {
  const timeOf = (underWay: number) => {
    const line = createWaitingLine<Message>(true);
    for (let position = 1; position <= underWay + 2000; position += 1) {
      const id = `m${position}`;
      line.add({ messageId: id, groupId: id, position, visibleAt: 0 }, 0);
    }
    line.take(underWay, 0, 1e9);
    const startedMs = performance.now();
    for (let count = 0; count < 200; count += 1) line.take(10, 0, 1e9);
    return performance.now() - startedMs;
  };
  // The best of a few: other work on the machine makes any single one late.
  const best = (count: number) => Math.min(...[1, 2, 3].map(() => timeOf(count)));
  expect(best(100_000)).toBeLessThan(20 * best(1000) + 20);
});
