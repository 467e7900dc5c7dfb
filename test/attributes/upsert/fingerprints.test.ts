// What every kind of fingerprints keeps to.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Fingerprints, SettleAnnounced } from '../../../src/attributes/ports.ts';
import { createFingerprintFile } from '../../../src/attributes/upsert/fingerprint-file.ts';
import { createFingerprintTable } from '../../../src/aws/dynamodb/fingerprint-table.ts';
import { useTestCredentials, wayTo } from '../../aws/aws-sandbox.ts';
import { startDynamo } from '../../support/dynamo.ts';
import { importOf, update } from '../../support/fingerprints.ts';

useTestCredentials();

interface Write {
  readonly value: number;
  settle: SettleAnnounced;
  /** It came to Genesys, or never will. */
  sent: 'no' | 'yes' | 'lost';
}

interface Kind {
  /** As after a restart, with what was kept. */
  again(): Fingerprints;
  /** What another writer of the same entities uses at the same time. */
  other(): Fingerprints;
}

async function inFile(): Promise<Kind> {
  const folder = await mkdtemp(join(tmpdir(), 'fingerprints-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  let open: Fingerprints | undefined;
  onTestFinished(() => open?.close());
  const again = () => {
    open?.close();
    open = createFingerprintFile({ path: join(folder, 'f.db'), maxRows: 1000 });
    return open;
  };
  return { again, other: () => open ?? again() };
}

async function inTable(): Promise<Kind> {
  const dynamo = await startDynamo();
  await dynamo.createTable('fingerprints');
  const again = () => {
    const fingerprints = createFingerprintTable({
      ...wayTo(dynamo.url),
      table: 'fingerprints',
      onFailure(error) {
        throw error;
      },
    });
    onTestFinished(() => fingerprints.close());
    return fingerprints;
  };
  return { again, other: again };
}

describe.each([
  ['in a file', inFile],
  ['in a table', inTable],
])('%s', (_name, start) => {
  test('what was confirmed is known, also after a restart; another value or id is not', async () => {
    const kind = await start();
    await importOf(kind.again()).write(update('T1', 'v'), update('N', 1));
    const { has } = importOf(kind.again());
    expect(await has(update('T1', 'v'))).toBe(true);
    expect(await has(update('T1', 'w'))).toBe(false);
    expect(await has(update('T2', 'v'))).toBe(false);
    expect(await has(update('N', 1))).toBe(true);
    expect(await has(update('N', '1'))).toBe(false);
  });

  test('what is being written, or was not confirmed, is not known', async () => {
    const kind = await start();
    const one = importOf(kind.again());
    await one.write(update('T1', 'old'));
    const end = await one.begin(update('T1', 'new'));
    const two = importOf(kind.other());
    for (const value of ['old', 'new']) expect(await two.has(update('T1', value))).toBe(false);
    await end([]);
    for (const value of ['old', 'new']) expect(await two.has(update('T1', value))).toBe(false);
  });

  test('a crash between announcing and settling leaves no fingerprint', async () => {
    const kind = await start();
    const one = importOf(kind.again());
    await one.write(update('T1', 'old'), update('T2', 'kept'));
    await one.begin(update('T1', 'new'));
    const { has } = importOf(kind.again());
    for (const value of ['old', 'new']) expect(await has(update('T1', value))).toBe(false);
    expect(await has(update('T2', 'kept'))).toBe(true);
  });

  test('a write that began first and reaches Genesys last is not taken for the other one', async () => {
    const kind = await start();
    const one = importOf(kind.again());
    const two = importOf(kind.other());
    const endFirst = await one.begin(update('T1', 'first'));
    await two.write(update('T1', 'second'));
    // A third one, which begins when the second has ended, overlaps with the first too.
    await importOf(kind.other()).write(update('T1', 'third'));
    expect(await two.has(update('T1', 'third'))).toBe(false);
    await endFirst([update('T1', 'first')]);
    for (const value of ['first', 'second', 'third']) {
      expect(await two.has(update('T1', value))).toBe(false);
    }
    await two.write(update('T1', 'alone'));
    expect(await one.has(update('T1', 'alone'))).toBe(true);
  });

  test('in whatever order three writers begin, write and end: what is known is what Genesys has', async () => {
    const kind = await start();
    kind.again();
    let runs = 0;
    const step = fc.record({
      writer: fc.nat(2),
      id: fc.nat(1),
      value: fc.nat(1),
      /** Its answer may be lost, and it may never have come through. */
      end: fc.constantFrom('confirmed', 'confirmed', 'lost', 'failed'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const run = runs++;
        const genesys = new Map<string, number>();
        const writers = [0, 1, 2].map(() => {
          const open = new Map<string, Write>();
          return { open, mine: kind.other().open((id) => open.has(id)) };
        });
        for (const { writer, id: number, value, end } of steps) {
          const id = `${run}-${number}`;
          const { open, mine } = writers[writer] ?? expect.fail();
          const write = open.get(id);
          if (write === undefined) {
            const begun: Write = { value, settle: async () => undefined, sent: 'no' };
            open.set(id, begun);
            begun.settle = await mine.announce([update(id, value)]);
          } else if (write.sent === 'no') {
            if (end !== 'failed') genesys.set(id, write.value);
            write.sent = end === 'confirmed' ? 'yes' : 'lost';
          } else {
            await write.settle(write.sent === 'yes' ? [update(id, write.value)] : []);
            open.delete(id);
          }
          for (const { mine: asking } of writers) {
            const all = [0, 1].map((possible) => update(id, possible));
            for (const one of all) {
              if ((await asking.unchanged([one])).has(one)) {
                expect(genesys.get(id)).toBe(one.attributes.get('a'));
              }
            }
          }
        }
        for (const { mine } of writers) mine.close();
      }),
      { numRuns: 15 },
    );
  }, 60_000);
});
