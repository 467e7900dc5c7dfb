import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AttributeUpdate, AttributeValue } from '../../../src/attributes/ports.ts';
import { createAttributeWriter } from '../../../src/genesys/reference/attribute-writer.ts';
import { failureOf, genesysClient } from '../client-under-test.ts';
import { type Answer, json, startFakeGenesys } from '../fake-genesys.ts';

const update = (id: string, attributes: [string, AttributeValue][] = []): AttributeUpdate => ({
  id,
  attributes: new Map(attributes),
});

async function writer(answer: Answer) {
  const genesys = await startFakeGenesys(answer);
  return { genesys, writer: createAttributeWriter(genesysClient(genesys.baseUrl).client) };
}

const answering = (body: unknown) => writer((_seen, response) => json(response, 200, body));

describe('outcomes', () => {
  it.each([
    ['no results', {}],
    ['null results', { results: null }],
    ['other members', { accepted: 2 }],
  ])('a 2xx with %s means that all were written', async (_name, body) => {
    const { writer: port } = await answering(body);
    const { outcomes } = await port.upsert([update('a'), update('b')]);
    expect(outcomes).toEqual([
      { id: 'a', written: true },
      { id: 'b', written: true },
    ]);
  });

  it('come in the order of the updates, whatever the order of the results', async () => {
    const { writer: port } = await answering({
      results: [
        { id: 'c', status: 201 },
        { id: 'b', status: 422, error: { code: 'too.long', message: 'Value too long' } },
        { id: 'x', status: 200 },
      ],
    });

    const { outcomes } = await port.upsert([update('a'), update('b'), update('c')]);

    expect(outcomes).toEqual([
      expect.objectContaining({ id: 'a', written: false, code: 'genesys_no_result' }),
      { id: 'b', written: false, code: 'too.long', message: 'Value too long', status: 422 },
      { id: 'c', written: true },
    ]);
  });

  it.each<[Record<string, unknown>, boolean, string?]>([
    [{ status: 200 }, true],
    [{ status: '204' }, true],
    [{ status: 'written' }, true],
    [{ status: 'UPDATED', error: null }, true],
    [{ status: 'failed' }, false, 'genesys_refused'],
    [{}, false, 'genesys_refused'],
    [{ status: 200, error: 'Not quite' }, false, 'genesys_refused'],
    [{ status: 200, error: {} }, false, 'genesys_refused'],
    [{ status: 429 }, false, 'genesys_rate_limited'],
    [{ status: 503 }, false, 'genesys_unavailable'],
    [{ status: 302 }, false, 'genesys_refused'],
  ])('a result %j is written: %s', async (result, written, code) => {
    const { writer: port } = await answering({ results: [{ id: 'a', ...result }] });
    const { outcomes } = await port.upsert([update('a')]);
    expect(outcomes[0]).toMatchObject({ id: 'a', written, ...(written ? {} : { code }) });
  });

  it('tells the latency and how often it was throttled', async () => {
    let left = 2;
    const { writer: port } = await writer((_seen, response) => {
      left -= 1;
      if (left >= 0) json(response, 429, {});
      else setTimeout(() => json(response, 200, {}), 30);
    });

    const { latencyMs, throttled } = await port.upsert([update('a')]);

    expect(throttled).toBe(2);
    expect(latencyMs).toBeGreaterThan(20);
  });

  it('repeats a batch whose answer was lost', async () => {
    let lost = false;
    const { genesys, writer: port } = await writer((_seen, response) => {
      if (lost) json(response, 200, {});
      else response.destroy();
      lost = true;
    });

    expect((await port.upsert([update('a')])).outcomes).toEqual([{ id: 'a', written: true }]);
    expect(genesys.calls[1]?.body).toBe(genesys.calls[0]?.body);
  });
});

describe('what is sent', () => {
  it.each(['id', '__proto__'])('no attribute named %s, and not its record', async (name) => {
    const { genesys, writer: port } = await answering({});

    const { outcomes } = await port.upsert([update('a', [[name, 'evil']]), update('b')]);

    expect(outcomes).toEqual([
      expect.objectContaining({ id: 'a', written: false, code: 'attribute_name_reserved' }),
      { id: 'b', written: true },
    ]);
    expect(genesys.calls[0]?.body).toBe('{"entities":[{"id":"b"}],"partialUpdate":true}');
  });

  it('nothing when nothing is left', async () => {
    const { genesys, writer: port } = await answering({});

    expect((await port.upsert([])).outcomes).toEqual([]);
    expect((await port.upsert([update('a', [['id', 'b']])])).outcomes).toHaveLength(1);
    expect(genesys.calls).toHaveLength(0);
  });

  it('all kinds of names and values as they are', async () => {
    const { genesys, writer: port } = await answering({});
    const attributes: [string, AttributeValue][] = [
      ['constructor', 'x'],
      ['ключ', '東京 🚀 "quoted" \n'],
      ['amount', -0.5],
      ['vip', false],
    ];

    await port.upsert([update('__proto__', attributes)]);

    const sent = JSON.parse(genesys.calls[0]?.body ?? '') as { entities: object[] };
    expect(Object.entries(sent.entities[0] ?? {})).toEqual([['id', '__proto__'], ...attributes]);
  });

  it('at most 1000 updates', async () => {
    const { writer: port } = await answering({});
    const many = Array.from({ length: 1001 }, (_, index) => update(String(index)));
    expect(await failureOf(port.upsert(many))).toBeInstanceOf(RangeError);
  });
});

it('the size of an update is that of its JSON', async () => {
  const { writer: port } = await answering({});
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
  );
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme' }),
      fc.dictionary(fc.stringMatching(/^[a-z_]{1,9}$/), value),
      (id, attributes) => {
        delete attributes['id'];
        const given: AttributeUpdate = { id, attributes: new Map(Object.entries(attributes)) };
        const json = JSON.stringify({ id, ...attributes });
        expect(port.bytesOf(given)).toBe(Buffer.byteLength(json) + 1);
      },
    ),
  );
});

it('a write has exactly the bytes that it says', async () => {
  let sent = 0;
  const { writer: port } = await writer(({ body }, response) => {
    sent = Buffer.byteLength(body);
    json(response, 200, {});
  });
  const updates = [update('a', [['x', 'ü"\n']]), update('b', [['y', 1.5]])];
  await port.upsert(updates);
  const bytes = updates.reduce((sum, one) => sum + port.bytesOf(one), port.envelopeBytes);
  // The last entity has no comma.
  expect(sent).toBe(bytes - 1);
});
