import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { testAttack } from './support/attack.ts';

const expressionFile = join(mkdtempSync(join(tmpdir(), 'sources-')), 'transform.jsonata');
writeFileSync(
  expressionFile,
  `{
  "id": $uuidv4(), "time": createdTime, "detail-type": "interaction.event",
  "source": payload.source ? payload.source : "genesys.cloud",
  "resources": ["/genesys/interactions/" & id],
  "detail": {
    "interactionId": id, "type": payload.type, "priority": payload.priority,
    "timestamp": createdTime, "metadata": { "eventId": $uuidv4(), "eventType": eventType }
  }
}`,
);
const BARRED = Array.from({ length: 200 }, (_, index) => `others.${index}`);

testAttack({
  attack: 'events whose sources the bus bars',
  forMs: 10_000,
  settings: { EVENT_EXPRESSION_FILE: expressionFile, HOLD_EDITS_TO_EXAMPLES: 'false' },
  async run({ sandbox, signal }) {
    await sandbox.control.post('/faults', {
      target: 'aws.events.PutEvents',
      entryFailures: { ids: BARRED, code: 'NotAuthorizedForSourceException' },
    });
    let sent = 0;
    while (!signal.aborted) {
      const events = BARRED.slice(0, 20).map((_, index) => {
        const number = sent + index;
        return {
          id: `barred-${number}`,
          resourceType: 'interaction',
          eventType: 'interaction.created',
          createdTime: new Date().toISOString(),
          payload: {
            type: 'voice',
            priority: 'high',
            source: BARRED[number % BARRED.length],
          },
        };
      });
      await sandbox.control.post('/events/emit', { events });
      sent += events.length;
      await sleep(250);
    }
    const { count } = await sandbox.control.get<{ count: number }>('/dead-letters?limit=1');
    expect(count, 'what is barred for everybody is rejected').toBeGreaterThan(sent / 2);
    return `${sent} events of ${BARRED.length} sources, ${count} of them letters at the end`;
  },
});
