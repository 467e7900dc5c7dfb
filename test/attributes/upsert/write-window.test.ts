import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AttributeUpdate } from '../../../src/attributes/ports.ts';
import { createWriteWindow, type WindowItem } from '../../../src/attributes/upsert/write-window.ts';

const LIMITS = { maxUpdates: 3, maxBytes: 100 };
const update = (id: string): AttributeUpdate => ({ id, attributes: new Map() });
const shown = (items: readonly WindowItem[]) =>
  items.map(({ position, update: { id } }) => `${id}${position}`).join(' ');

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
  const window = createWriteWindow(LIMITS, ({ id }) => known.includes(id));
  const superseded: number[] = [];
  for (const [position, given] of wanted.added.entries()) {
    const [id = '', bytes = '10'] = given.split(':');
    const earlier = window.add(position, update(id), Number(bytes));
    if (earlier !== undefined) superseded.push(earlier);
  }
  const { batch, unchanged } = window.take(flush);
  expect(shown(batch)).toBe(wanted.batch);
  expect(shown(unchanged)).toBe(wanted.settledUnchanged ?? '');
  expect(superseded).toEqual(wanted.superseded ?? []);
  window.close(unchanged);
  window.close(batch);
  const rest = window.take(true);
  expect(shown(rest.batch)).toBe(wanted.rest);
  window.close([...rest.batch, ...rest.unchanged]);
  expect(window.isEmpty).toBe(true);
  expect(window.hasBatch).toBe(false);
});

test('one that comes while its id is being written is blocked, and counts towards being full', () => {
  const window = createWriteWindow(LIMITS, () => false);
  window.add(0, update('a'), 10);
  const first = window.take(true).batch;
  expect(window.isWriting('a')).toBe(true);
  expect(window.add(1, update('a'), 70)).toBeUndefined();
  expect(window.isFull).toBe(false);
  expect(window.add(2, update('a'), 100)).toBe(1);
  expect(window.isFull).toBe(true);
  expect(window.hasBatch).toBe(false);
  expect(window.take(true).batch).toEqual([]);

  window.close(first);
  expect(window.hasBatch).toBe(true);
  const second = window.take(false).batch;
  expect(shown(second)).toBe('a2');
  window.close(second);
  expect(window.isEmpty).toBe(true);
});

test('when nobody can say what is unchanged, nothing leaves the queue', () => {
  let isBroken = true;
  const window = createWriteWindow(LIMITS, ({ id }) => {
    if (isBroken && id === 'b') throw new Error('disk');
    return id === 'a';
  });
  for (const [position, id] of ['a', 'b', 'c'].entries()) window.add(position, update(id), 10);
  expect(() => window.take(true)).toThrow('disk');
  isBroken = false;
  const { batch, unchanged } = window.take(true);
  expect([shown(batch), shown(unchanged)]).toEqual(['b1 c2', 'a0']);
});

test('whatever comes: each record leaves once, and no write is over its limits', () => {
  const step = fc.oneof(
    fc.record({
      id: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'unchanged'),
      bytes: fc.integer({ min: 1, max: 120 }),
    }),
    fc.constantFrom('take', 'flush', 'close', 'takeAll' as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const window = createWriteWindow(LIMITS, ({ id }) => id === 'unchanged');
      const left: number[] = [];
      const writing: (readonly WindowItem[])[] = [];
      const leave = (items: readonly WindowItem[]) => {
        left.push(...items.map(({ position }) => position));
        window.close(items);
      };
      let added = 0;
      const all = [...steps, 'takeAll', ...steps.map(() => 'close'), 'takeAll', 'takeAll'] as const;
      for (const next of all) {
        if (typeof next === 'object') {
          const superseded = window.add(added, update(next.id), next.bytes);
          if (superseded !== undefined) left.push(superseded);
          added += 1;
        } else if (next === 'close') {
          leave(writing.shift() ?? []);
        } else if (next === 'takeAll') {
          leave(window.takeAll());
        } else {
          const { batch, unchanged } = window.take(next === 'flush');
          const bytes = batch.reduce((sum, item) => sum + item.bytes, 0);
          expect(batch.length).toBeLessThanOrEqual(LIMITS.maxUpdates);
          expect(batch.length <= 1 || bytes <= LIMITS.maxBytes).toBe(true);
          leave(unchanged);
          if (batch.length > 0) writing.push(batch);
        }
      }
      expect(left.sort((a, b) => a - b)).toEqual([...Array(added).keys()]);
      expect([window.isEmpty, window.isQueueEmpty, window.isFull]).toEqual([true, true, false]);
    }),
  );
});
