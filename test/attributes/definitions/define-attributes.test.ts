import { once } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startAttributeDefiner } from '../../../src/attributes/definitions/define-attributes.ts';
import type { AttributeDefinition } from '../../../src/attributes/ports.ts';
import { UpstreamError } from '../../../src/errors.ts';
import { createAvailability } from '../../../src/lib/health/availability.ts';
import { createHealth } from '../../../src/lib/health/health.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import type { Sleep } from '../../../src/lib/retry.ts';

const attributes: AttributeDefinition[] = ['a', 'b'].map((name) => ({
  name,
  type: 'string',
  validationRules: [],
}));
const away = () =>
  new UpstreamError('away', { service: 'genesys', code: 'genesys_unavailable', kind: 'retry' });

function definer(define: (name: string) => 'created' | 'existed', sleep?: Sleep) {
  const health = createHealth();
  const logged: string[] = [];
  const log = createLogger({ level: 'info', destination: { write: (l) => void logged.push(l) } });
  let created = 0;
  const parts = startAttributeDefiner({
    definitions: { define: async ({ name }) => define(name) },
    attributes,
    availability: createAvailability({
      what: 'Definitions',
      reporter: health.dependency('definitions'),
      log,
    }),
    log,
    onCreated: () => {
      created += 1;
    },
    retry: { baseMs: 1, capMs: 2 },
    sleep,
  });
  onTestFinished(() => parts.stop());
  return {
    stop: () => parts.stop(),
    state: () => health.snapshot()[0]?.state,
    created: () => created,
    log: () => logged.join(''),
  };
}

const untilStopped: Sleep = async (_ms, signal) => {
  if (signal === undefined) return;
  await once(signal, 'abort');
  signal.throwIfAborted();
};

describe('seeing that attributes are defined', () => {
  test('all are there: up, and caches are told only of new ones', async () => {
    const parts = definer((name) => (name === 'a' ? 'created' : 'existed'));
    await expect.poll(parts.state).toBe('up');
    expect(parts.created()).toBe(1);
  });

  test('Genesys is away: it shows as down, and is tried until it works', async () => {
    const asked: string[] = [];
    const parts = definer((name) => {
      asked.push(name);
      if (asked.length <= 5) throw away();
      return 'existed';
    });
    await expect.poll(parts.state).toBe('up');
    expect(asked).toEqual(['a', 'b', 'a', 'b', 'a', 'b', 'a']);
  });

  test('one that is refused does not hold up the other', async () => {
    const defined: string[] = [];
    const parts = definer((name) => {
      if (name === 'a') throw away();
      defined.push(name);
      return 'existed';
    }, untilStopped);
    await expect.poll(parts.state).toBe('down');
    expect(defined).toEqual(['b']);
    expect(parts.log()).toContain('not defined yet: a"');
  });

  test('stop() ends the waiting at once', async () => {
    let waiting = false;
    const forever: Sleep = async (ms, signal) => {
      waiting = true;
      await untilStopped(ms, signal);
    };
    const parts = definer(() => {
      throw away();
    }, forever);
    await expect.poll(() => waiting).toBe(true);
    await parts.stop();
  });
});
