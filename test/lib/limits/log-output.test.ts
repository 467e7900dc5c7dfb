import { Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createLogOutput } from '../../../src/lib/limits/log-output.ts';
import { createLogger } from '../../../src/lib/logger.ts';

/** A pipe with a reader that reads when told. */
function openPipe() {
  let text = '';
  let reads = true;
  let blocked: (() => void) | undefined;
  const pipe = new Writable({
    decodeStrings: false,
    write(chunk: string | Buffer, _encoding, done) {
      const take = () => {
        text += chunk.toString();
        done();
      };
      if (reads) take();
      else blocked = take;
    },
  });
  return {
    pipe,
    text: () => text,
    stopReading: () => void (reads = false),
    read() {
      reads = true;
      const take = blocked;
      blocked = undefined;
      take?.();
    },
    /** One chunk. */
    sip() {
      const take = blocked;
      blocked = undefined;
      take?.();
    },
  };
}

const DROPPED = /^\{"level":"warn".*"droppedLines":(\d+)/;

test('whatever the reader does, lines come whole and in their order, and every gap says how many', async () => {
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.record({ write: fc.integer({ min: 1, max: 90_000 }) }) },
    { weight: 4, arbitrary: fc.constantFrom('stop', 'sip', 'turn') },
    { weight: 1, arbitrary: fc.constant('read' as const) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 200 }), async (steps) => {
      const reader = openPipe();
      const maxBytes = 200_000;
      const output = createLogOutput(reader.pipe, maxBytes);
      let written = 0;
      for (const one of steps) {
        if (one === 'stop') reader.stopReading();
        else if (one === 'sip') reader.sip();
        else if (one === 'read') reader.read();
        else if (one === 'turn') await nextTurn();
        else {
          output.write(`${written}:${'x'.repeat(one.write)}\n`);
          written += 1;
        }
      }
      const flushed = output.flush(60_000);
      reader.read();
      await flushed;

      expect(reader.text()).toMatch(/^$|\n$/);
      let next = 0;
      let dropped = 0;
      for (const line of reader.text().split('\n').slice(0, -1)) {
        const [, gap] = DROPPED.exec(line) ?? [];
        if (gap === undefined) {
          expect(line).toMatch(new RegExp(`^${next}:x+$`));
          next += 1;
        } else {
          next += Number(gap);
          dropped += Number(gap);
        }
      }
      expect(next).toBe(written);
      expect(output.droppedLines).toBe(dropped);
    }),
    { numRuns: 300 },
  );
});

test('what waits is bounded, and is taken again once half of it is read', async () => {
  const reader = openPipe();
  reader.stopReading();
  const output = createLogOutput(reader.pipe, 100_000);
  const line = `${'x'.repeat(999)}\n`;
  for (let i = 0; i < 5000; i += 1) output.write(line);
  // The first is on its way.
  expect(output.droppedLines).toBe(5000 - 1 - 100);
  reader.sip();
  await nextTurn();
  // 65 are on their way, 35 wait: there is room.
  output.write('after the gap\n');
  reader.read();
  await output.flush(60_000);
  expect(output.droppedLines).toBe(4899);
  expect(reader.text()).toMatch(/x\n\{.*"droppedLines":4899.*\}\nafter the gap\n$/);
});

test('a fatal line overtakes those that wait, also when there is no room', async () => {
  const reader = openPipe();
  reader.stopReading();
  const output = createLogOutput(reader.pipe, 1_000_000);
  const log = createLogger({ level: 'info', destination: output });
  for (let i = 0; i < 20_000; i += 1) log.info({ i }, 'busy');
  expect(output.droppedLines).toBeGreaterThan(0);
  log.fatal('first');
  log.child({ part: 'journal' }).fatal('second');
  // It reads no more than this before the time is over.
  const flushed = output.flush(50);
  reader.sip();
  await nextTurn();
  reader.sip();
  await flushed;
  const messages = reader.text().split('\n').slice(0, -1);
  expect(messages.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
    'busy',
    'first',
    'second',
  ]);
});
