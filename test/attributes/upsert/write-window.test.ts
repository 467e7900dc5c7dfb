import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AttributeUpdate } from '../../../src/attributes/ports.ts';
import {
  createWriteWindow,
  type WindowItem,
  type WriteWindow,
} from '../../../src/attributes/upsert/write-window.ts';

const LIMITS = { maxUpdates: 3, maxBytes: 100 };
const update = (id: string): AttributeUpdate => ({ id, attributes: new Map() });
const shown = (items: readonly WindowItem[]) =>
  items.map(({ position, update: { id } }) => `${id}${position}`).join(' ');

/** Asks about everything at hand. @returns what is unchanged. */
function askAll(window: WriteWindow, isUnchanged: (id: string) => boolean): WindowItem[] {
  const found: WindowItem[] = [];
  for (;;) {
    const asked = window.ask(true).map((item) => item.update);
    if (asked.length === 0) return found;
    found.push(...window.answer(new Set(asked.filter(({ id }) => isUnchanged(id)))));
  }
}

interface Case {
  /** `id` or `id:bytes`; the position is its place here. 10 bytes where nothing is said. */
  readonly added: readonly string[];
  readonly unchanged?: string;
  readonly flush?: boolean;
  readonly batch: string;
  readonly settledUnchanged?: string;
  readonly superseded?: readonly number[];
  /** The batch that a flush gives afterwards. */
  readonly rest: string;
}

test.each<readonly [string, Case]>([
  ['less than a batch waits', { added: ['a', 'b'], batch: '', rest: 'a0 b1' }],
  ['unless it is flushed', { added: ['a', 'b'], flush: true, batch: 'a0 b1', rest: '' }],
  ['a full batch goes', { added: ['a', 'b', 'c'], batch: 'a0 b1 c2', rest: '' }],
  ['and what is more waits', { added: ['a', 'b', 'c', 'd'], batch: 'a0 b1 c2', rest: 'd3' }],
  ['bytes bound it too', { added: ['a:60', 'b:60'], batch: 'a0', rest: 'b1' }],
  ['exactly the bytes are a batch', { added: ['a:60', 'b:40'], batch: 'a0 b1', rest: '' }],
  ['one that is too large goes alone', { added: ['a:200', 'b'], batch: 'a0', rest: 'b1' }],
  [
    'the last of an id wins, in the place of the first',
    { added: ['a', 'b', 'a', 'c', 'a'], superseded: [0, 2], batch: 'a4 b1 c3', rest: '' },
  ],
  [
    'bytes are those of the last',
    { added: ['a:90', 'a:10', 'b:80'], superseded: [0], batch: '', rest: 'a1 b2' },
  ],
  [
    'unchanged ones make room for others',
    {
      added: ['a', 'b', 'c', 'd', 'e'],
      unchanged: 'bd',
      batch: 'a0 c2 e4',
      settledUnchanged: 'b1 d3',
      rest: '',
    },
  ],
  [
    'too few are left: they wait for more',
    { added: ['a', 'b', 'c'], unchanged: 'b', batch: '', settledUnchanged: 'b1', rest: 'a0 c2' },
  ],
  [
    'all are unchanged',
    { added: ['a', 'b', 'c'], unchanged: 'abc', batch: '', settledUnchanged: 'a0 b1 c2', rest: '' },
  ],
  [
    'behind an unchanged one bytes end the batch all the same',
    {
      added: ['a:1', 'b:60', 'c:60'],
      unchanged: 'a',
      batch: 'b1',
      settledUnchanged: 'a0',
      rest: 'c2',
    },
  ],
])('%s', (_name, wanted) => {
  const { unchanged: known = '', flush = false } = wanted;
  const window = createWriteWindow(LIMITS, known !== '');
  const superseded: number[] = [];
  for (const [position, given] of wanted.added.entries()) {
    const [id = '', bytes = '10'] = given.split(':');
    const earlier = window.add(position, update(id), Number(bytes));
    if (earlier !== undefined) superseded.push(earlier);
  }
  const unchanged = askAll(window, (id) => known.includes(id));
  const batch = window.take(flush);
  expect(shown(batch)).toBe(wanted.batch);
  expect(shown(unchanged)).toBe(wanted.settledUnchanged ?? '');
  expect(superseded).toEqual(wanted.superseded ?? []);
  window.close(unchanged);
  window.close(batch);
  const rest = window.take(true);
  expect(shown(rest)).toBe(wanted.rest);
  window.close(rest);
  expect(window.isEmpty).toBe(true);
  expect(window.hasBatch).toBe(false);
});

test('one that comes while its id is being written is blocked, and counts towards being full', () => {
  const window = createWriteWindow(LIMITS, false);
  window.add(0, update('a'), 10);
  const first = window.take(true);
  expect(window.isWriting('a')).toBe(true);
  expect(window.add(1, update('a'), 70)).toBeUndefined();
  expect(window.isFull).toBe(false);
  expect(window.add(2, update('a'), 100)).toBe(1);
  expect(window.isFull).toBe(true);
  expect(window.hasBatch).toBe(false);
  expect(window.take(true)).toEqual([]);

  window.close(first);
  expect(window.hasBatch).toBe(true);
  const second = window.take(false);
  expect(shown(second)).toBe('a2');
  window.close(second);
  expect(window.isEmpty).toBe(true);
});

test('what was superseded while its answer was awaited is written, whatever the answer is', () => {
  const window = createWriteWindow(LIMITS, true);
  const [old, unchanged] = [update('a'), update('b')];
  window.add(0, old, 60);
  window.add(1, unchanged, 30);
  expect(shown(window.ask(false))).toBe('');
  expect(shown(window.ask(true))).toBe('a0 b1');
  expect(window.add(2, update('a'), 70)).toBe(0);
  window.add(3, update('c'), 10);
  expect(window.isFull).toBe(true);
  // One answer at a time, and no smaller write than need be meanwhile.
  expect(window.ask(true)).toEqual([]);
  expect(window.take(true)).toEqual([]);

  const left = window.answer(new Set([old, unchanged]));

  expect(shown(left)).toBe('b1');
  window.close(left);
  expect(shown(window.take(true))).toBe('a2');
  expect(shown(window.ask(true))).toBe('c3');
});

test('whatever comes: each record leaves once, and no write is over its limits', () => {
  const step = fc.oneof(
    fc.record({
      id: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'unchanged'),
      bytes: fc.integer({ min: 1, max: 120 }),
    }),
    fc.constantFrom('take', 'flush', 'ask', 'askAll', 'answer', 'close', 'takeAll' as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.boolean(), (steps, asksFirst) => {
      const window = createWriteWindow(LIMITS, asksFirst);
      let asked: AttributeUpdate[] = [];
      const left: number[] = [];
      const writing: (readonly WindowItem[])[] = [];
      const leave = (items: readonly WindowItem[]) => {
        left.push(...items.map(({ position }) => position));
        window.close(items);
      };
      let added = 0;
      const end = ['answer', 'takeAll'] as const;
      const all = [...steps, ...end, ...steps.map(() => 'close' as const), ...end, ...end];
      for (const next of all) {
        if (typeof next === 'object') {
          const superseded = window.add(added, update(next.id), next.bytes);
          if (superseded !== undefined) left.push(superseded);
          added += 1;
        } else if (next === 'close') {
          leave(writing.shift() ?? []);
        } else if (next === 'ask' || next === 'askAll') {
          const items = window.ask(next === 'askAll');
          expect(items.length).toBeLessThanOrEqual(LIMITS.maxUpdates);
          expect(items.length === 0 || asked.length === 0).toBe(true);
          if (items.length > 0) asked = items.map((item) => item.update);
        } else if (next === 'answer') {
          leave(window.answer(new Set(asked.filter(({ id }) => id === 'unchanged'))));
          asked = [];
        } else if (next === 'takeAll') {
          leave(window.takeAll());
        } else {
          const batch = window.take(next === 'flush');
          const bytes = batch.reduce((sum, item) => sum + item.bytes, 0);
          expect(batch.length).toBeLessThanOrEqual(LIMITS.maxUpdates);
          expect(batch.length <= 1 || bytes <= LIMITS.maxBytes).toBe(true);
          if (batch.length > 0) writing.push(batch);
        }
      }
      expect(left.sort((a, b) => a - b)).toEqual([...Array(added).keys()]);
      expect([window.isEmpty, window.isIdle, window.isFull]).toEqual([true, true, false]);
    }),
  );
});
