import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { createEventBus } from '../../../src/aws/event-bridge.ts';
import type { BusEntry } from '../../../src/events/ports.ts';
import { startAws, useTestCredentials, wayTo } from '../../aws/aws-sandbox.ts';
import { publisherOn, takenEvent } from './support/publisher-under-test.ts';

useTestCredentials();

const until = (assertion: () => void) => vi.waitFor(assertion, { timeout: 20_000, interval: 5 });

function eventOf(source: string, id: string) {
  const detail = JSON.stringify({ interactionId: id });
  const entry: BusEntry = {
    source,
    detailType: 'interaction.event',
    detail,
    time: new Date('2026-01-02T03:04:05Z'),
    resources: [],
  };
  return { ...takenEvent(id), entry };
}

test('over EventBridge, any mix of sources that its policy bars and lets through: none is lost', async () => {
  const mix = fc.array(
    fc.record({ source: fc.integer({ min: 0, max: 5 }), count: fc.integer({ min: 1, max: 90 }) }),
    { minLength: 2, maxLength: 8 },
  );
  const barredOnes = fc.uniqueArray(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 5 });
  const codes = fc.constantFrom('NotAuthorizedForSourceException', 'AccessDeniedException');
  await fc.assert(
    fc.asyncProperty(mix, barredOnes, codes, async (groups, barred, code) => {
      const sandbox = await startAws();
      const ids = barred.map((source) => `source.${source}`);
      sandbox.faults.add({ target: 'aws.events.PutEvents', entryFailures: { ids, code } });
      const bus = createEventBus({
        ...wayTo(sandbox.url),
        busName: 'orders',
        maxBytes: 1_000_000,
      });
      const under = publisherOn(bus, { retry: { maxRetries: 2, baseMs: 4, capMs: 60_000 } });
      const all = groups.flatMap(({ source, count }, group) =>
        Array.from({ length: count }, (_, index) =>
          eventOf(`source.${source}`, `${source}-${group}-${index}`),
        ),
      );
      under.add(all);
      let later = 0;
      const feed = setInterval(() => {
        later += 1;
        under.add([eventOf('source.0', `later-${later}`)]);
      }, 10);
      const bad = all.filter(({ entry }) => ids.includes(entry.source));
      await until(() => expect(under.refusals.size).toBe(bad.length));
      clearInterval(feed);
      await until(() => expect(under.accepted).toHaveLength(all.length - bad.length + later));
      const nameOf = ({ eventId }: { eventId: string }) => eventId;
      expect([...under.refusals.keys()].sort()).toEqual(bad.map(nameOf).sort());
      expect(new Set(under.refusals.values())).toEqual(
        new Set(bad.length === 0 ? [] : ['eventbridge_access_denied']),
      );
      expect(new Set(sandbox.aws.acceptedIds)).toEqual(new Set(under.accepted));
      await until(() => expect(under.bus()).toBe('up'));
      under.publisher.stop();
      bus.close();
      await sandbox.close();
    }),
    { numRuns: 12 },
  );
}, 120_000);
