import fc from 'fast-check';
import { expect, test } from 'vitest';
import { continueTrace } from '../../src/http/trace-context.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

test.each([
  [`00-${TRACE}-${SPAN}-01`, '01'],
  [`00-${TRACE}-${SPAN}-00`, '00'],
  [`00-${TRACE}-${SPAN}-ff`, '01'],
  [`cc-${TRACE}-${SPAN}-01-what-the-future-brings`, '01'],
])('%s goes on with a span of our own', (header, flags) => {
  const { traceId, traceparent } = continueTrace(header);
  expect(traceId).toBe(TRACE);
  expect(traceparent).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-${flags}$`));
  expect(traceparent).not.toContain(SPAN);
});

test.each([
  undefined,
  '',
  'nonsense',
  `ff-${TRACE}-${SPAN}-01`,
  `00-${TRACE}-${SPAN}-01-more`,
  `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  `00-${'0'.repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
])('%s begins a new trace', (header) => {
  const { traceId, traceparent } = continueTrace(header);
  expect(traceId).not.toBe(TRACE);
  expect(traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`));
});

test('whatever comes, a valid header goes out', () => {
  fc.assert(
    fc.property(fc.string(), (header) => {
      expect(continueTrace(header).traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    }),
  );
});
