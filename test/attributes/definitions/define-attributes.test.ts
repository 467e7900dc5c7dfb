import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  parseAttributes,
  startAttributeDefiner,
} from '../../../src/attributes/definitions/define-attributes.ts';
import type { AttributeDefinition } from '../../../src/attributes/ports.ts';
import { ConfigError, UpstreamError } from '../../../src/errors.ts';
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

describe('the file of attributes', () => {
  test('the shipped one has the three default attributes', async () => {
    const file = 'config/attributes.json';
    expect(parseAttributes(await readFile(file, 'utf8'), file)).toMatchObject([
      { name: 'crm_ticket_id', type: 'string' },
      {
        name: 'crm_ticket_priority',
        validationRules: [{ type: 'regex', value: '^(low|medium|high|critical)$' }],
      },
      { name: 'crm_channel_source', type: 'string' },
    ]);
  });

  test.each([
    ['{', /a\.json: not JSON/],
    ['null', /attributes: allowed: a list/],
    ['{"attributes":[null]}', /attributes\[0\]\.name: allowed/],
    ['{"attributes":[{"name":"id","type":"string"}]}', /attributes\[0\]\.name/],
    [
      '{"attributes":[{"name":"a","type":"text"}]}',
      /attributes\[0\]\.type: allowed: string, number, boolean, date/,
    ],
    [
      '{"attributes":[{"name":"a","type":"string"},{"name":"a","type":"string"}]}',
      /a is there twice/,
    ],
    [
      '{"attributes":[{"name":"a","type":"string","validationRules":[{}]}]}',
      /validationRules: allowed/,
    ],
    [
      '{"attributes":[{"name":"a","type":"string","validationRules":[{"type":"regex","value":"("}]}]}',
      /cannot be used/,
    ],
    [
      '{"attributes":[{"name":"a","type":"number","defaultValue":"x"}]}',
      /default value that breaks its own rules/,
    ],
  ])('%s is refused', (text, message) => {
    expect(() => parseAttributes(text, 'a.json')).toThrow(ConfigError);
    expect(() => parseAttributes(text, 'a.json')).toThrow(message);
  });
});
