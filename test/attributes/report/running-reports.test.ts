import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRunningReports } from '../../../src/attributes/report/running-reports.ts';

test('never more than the bounds allow, and what ends makes room', () => {
  const step = fc.oneof(
    fc.record({ begin: fc.constantFrom('a', 'b', 'c') }),
    fc.record({ end: fc.nat(50) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const reports = createRunningReports({ max: 5, maxPerCaller: 3 });
      const running: { caller: string; end: () => void }[] = [];
      for (const each of steps) {
        if ('end' in each) {
          running.splice(each.end % Math.max(1, running.length), 1)[0]?.end();
          continue;
        }
        const own = running.filter(({ caller }) => caller === each.begin).length;
        const refusal =
          own >= 3
            ? { code: 'reports_busy_for_caller', isCallers: true }
            : running.length >= 5
              ? { code: 'reports_busy', isCallers: false }
              : undefined;
        if (refusal === undefined) {
          running.push({ caller: each.begin, end: reports.begin(each.begin) });
        } else {
          expect(() => reports.begin(each.begin)).toThrow(expect.objectContaining(refusal));
        }
      }
    }),
  );
});
