import { expect, test } from 'vitest';
import { createReleasers } from '../../src/lib/releasers.ts';

test('what was acquired last is given back first, and one after the other', async () => {
  const releasers = createReleasers();
  const order: string[] = [];
  releasers.push('journal', () => order.push('journal'));
  releasers.push('server', async () => {
    await new Promise((resolve) => setImmediate(resolve));
    order.push('server');
  });
  await releasers.release();
  expect(order).toEqual(['server', 'journal']);
});

test('a failure does not keep the others, and is told by name with its cause', async () => {
  const releasers = createReleasers();
  const order: string[] = [];
  const cause = new Error('busy');
  releasers.push('journal', () => order.push('journal'));
  releasers.push('server', () => {
    throw cause;
  });
  releasers.push('worker', () => Promise.reject(cause));
  const failure: unknown = await releasers.release().catch((error: unknown) => error);
  expect(order).toEqual(['journal']);
  expect(failure).toBeInstanceOf(AggregateError);
  expect(failure).toMatchObject({
    errors: [
      { message: 'Could not release worker', cause },
      { message: 'Could not release server', cause },
    ],
  });
});

test('releasing twice releases once, and both wait for the end', async () => {
  const releasers = createReleasers();
  let released = 0;
  releasers.push('server', async () => {
    await new Promise((resolve) => setImmediate(resolve));
    released += 1;
  });
  await Promise.all([releasers.release(), releasers.release()]);
  expect(released).toBe(1);
});
