// Takes events into a journal as fast as it can and prints the id of each one that is committed,
// until it is killed: node journal-writer.ts <path> <first number>
import { writeSync } from 'node:fs';
import { createJournal } from '../../../../src/events/journal/journal.ts';

const [path = '', first = '0'] = process.argv.slice(2);
const journal = createJournal({
  path,
  maxBytes: 1e9,
  maxRows: 1e9,
  dedupeRows: 100,
  busyTimeoutMs: 50,
});

for (let number = Number(first); ; number += 3) {
  const take = [number, number + 1, number + 2].map((name) => ({
    eventId: `event-${name}`,
    key: undefined,
    takenAtMs: 1,
    raw: JSON.stringify({ name, text: 'x'.repeat(500) }),
  }));
  journal.write({ take });
  writeSync(1, `${take.map(({ eventId }) => eventId).join('\n')}\n`);
}
