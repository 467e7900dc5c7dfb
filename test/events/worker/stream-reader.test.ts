import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { BridgeError, UpstreamError } from '../../../src/errors.ts';
import type { EventSource, StreamItem } from '../../../src/events/ports.ts';
import {
  createStreamReader,
  type StreamReaderOptions,
} from '../../../src/events/worker/stream-reader.ts';
import { createAvailability } from '../../../src/lib/health/availability.ts';
import { createHealth } from '../../../src/lib/health/health.ts';
import { createLogger } from '../../../src/lib/logger.ts';

const until = (assertion: () => void) => vi.waitFor(assertion, { timeout: 5000, interval: 2 });

/** What one connection does: chunks, then how it ends. */
type Connection =
  | { readonly refuse: Error }
  | { readonly chunks: readonly number[]; readonly ending: 'end' | 'stay' | Error };

function upstream(code: string, kind: 'retry' | 'systemic', retryAfterMs?: number) {
  return new UpstreamError(`failed: ${code}`, { service: 'genesys', code, kind, retryAfterMs });
}

/** A source in memory; each connection follows the next line of the script, the last one stays. */
function sourceOf(script: readonly Connection[]) {
  const seen = { subscribed: [] as string[], connections: [] as string[], read: 0 };
  const source: EventSource = {
    async subscribe() {
      const id = `sub-${seen.subscribed.length + 1}`;
      seen.subscribed.push(id);
      return id;
    },
    async stream(id, signal) {
      const step = script[seen.connections.length] ?? { chunks: [], ending: 'stay' };
      seen.connections.push(id);
      if ('refuse' in step) throw step.refuse;
      async function* read(): AsyncGenerator<readonly StreamItem[]> {
        if ('refuse' in step) return;
        for (const count of step.chunks) {
          seen.read += 1;
          yield Array.from({ length: count }, () => ({ kind: 'event', event: {} }) as const);
        }
        if (step.ending instanceof Error) throw step.ending;
        if (step.ending === 'end') return;
        await new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
        });
      }
      return read();
    },
  };
  return { source, seen };
}

function readerOn(script: readonly Connection[], options: Partial<StreamReaderOptions> = {}) {
  const { source, seen } = sourceOf(script);
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({
    level: 'info',
    destination: { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  });
  const health = createHealth();
  const delays: number[] = [];
  const memory: { id: string | undefined } = { id: undefined };
  let items = 0;
  const reader = createStreamReader({
    source,
    availability: createAvailability({
      what: 'The event stream',
      reporter: health.dependency('stream'),
      log,
    }),
    recall: () => memory.id,
    remember: (id) => {
      memory.id = id;
    },
    onItems(chunk) {
      items += chunk.length;
      return undefined;
    },
    retry: { baseMs: 100, capMs: 1000 },
    random: () => 1,
    sleep: async (ms) => void delays.push(ms),
    ...options,
  });
  const stopping = new AbortController();
  let running: Promise<unknown> | undefined;
  const stop = async () => {
    stopping.abort(new Error('stop'));
    await running?.catch(() => undefined);
  };
  onTestFinished(stop);
  return {
    reader,
    seen,
    delays,
    memory,
    lines,
    items: () => items,
    stream: () => health.snapshot()[0],
    start: (): void => {
      running = reader.run(stopping.signal);
      running.catch(() => undefined);
    },
    ended: async () => running,
    stop,
  };
}

describe('the subscription', () => {
  test('is created once, remembered, and used again', async () => {
    const first = readerOn([{ chunks: [2], ending: 'end' }]);
    first.start();
    await until(() => expect(first.seen.connections).toEqual(['sub-1', 'sub-1']));
    expect(first.seen.subscribed).toEqual(['sub-1']);
    expect(first.memory.id).toBe('sub-1');

    const second = readerOn([], { recall: () => 'sub-of-yesterday' });
    second.start();
    await until(() => expect(second.seen.connections).toEqual(['sub-of-yesterday']));
    expect(second.seen.subscribed).toEqual([]);
  });

  test('that is gone is replaced at once', async () => {
    const gone = upstream('genesys_not_found', 'retry');
    const { start, seen, delays, memory } = readerOn([{ refuse: gone }], { recall: () => 'old' });
    start();
    await until(() => expect(seen.connections).toEqual(['old', 'sub-1']));
    expect(delays).toEqual([]);
    expect(memory.id).toBe('sub-1');
  });

  test('that vanishes as soon as it is created is not created in a loop without rest', async () => {
    const gone = { refuse: upstream('genesys_not_found', 'retry') };
    const { start, seen, delays } = readerOn([gone, gone, gone]);
    start();
    await until(() => expect(seen.connections).toHaveLength(4));
    expect(delays).toEqual([100, 200, 400]);
  });

  test('of the settings is never replaced, and the error says what to do', async () => {
    const gone = { refuse: upstream('genesys_not_found', 'retry') };
    const { start, seen, stream } = readerOn([gone, gone], {
      subscriptionId: 'mine',
      recall: () => 'old',
    });
    start();
    await until(() => expect(seen.connections).toEqual(['mine', 'mine', 'mine']));
    expect(seen.subscribed).toEqual([]);
    expect(stream()?.lastError?.message).toContain('EVENT_SUBSCRIPTION_ID');
  });
});

describe('the connection', () => {
  test('comes back with growing delays that a healthy while resets', async () => {
    let now = 0;
    const broken = { refuse: upstream('genesys_unavailable', 'retry') };
    const { start, seen, delays } = readerOn(
      [
        broken,
        broken,
        broken,
        { chunks: [1], ending: new BridgeError('cut', { code: 'x', kind: 'retry' }) },
        broken,
      ],
      {
        now: () => now,
        healthyAfterMs: 1000,
        onItems: () => {
          now += 5000;
          return undefined;
        },
      },
    );
    start();
    await until(() => expect(seen.connections).toHaveLength(6));
    expect(delays).toEqual([100, 200, 400, 100, 200]);
  });

  test('that breaks again and again after a moment does not reset them', async () => {
    const flapping = { chunks: [1], ending: 'end' } as const;
    const { start, seen, delays } = readerOn([flapping, flapping, flapping, flapping, flapping], {
      now: () => 0,
    });
    start();
    await until(() => expect(seen.connections).toHaveLength(6));
    expect(delays).toEqual([100, 200, 400, 800, 1000]);
  });

  test('waits as long as the source asks', async () => {
    const { start, seen, delays } = readerOn([
      { refuse: upstream('genesys_throttled', 'retry', 7000) },
    ]);
    start();
    await until(() => expect(seen.connections).toHaveLength(2));
    expect(delays).toEqual([7000]);
  });

  test('a missing permission: slow retries, readiness names it', async () => {
    const denied = new UpstreamError('Grant event:subscribe', {
      service: 'genesys',
      code: 'genesys_permission_missing',
      kind: 'systemic',
      missingPermission: 'event:subscribe',
    });
    const { start, seen, delays, stream } = readerOn([{ refuse: denied }, { refuse: denied }]);
    start();
    await until(() => expect(seen.connections).toHaveLength(3));
    expect(delays).toEqual([1000, 1000]);
    expect(stream()?.lastError).toMatchObject({
      message: 'Grant event:subscribe',
      code: 'genesys_permission_missing',
    });
    expect(stream()?.state).toBe('up');
  });

  test('logs a failure once, and its end', async () => {
    const broken = { refuse: upstream('genesys_unavailable', 'retry') };
    const { start, seen, lines } = readerOn(Array.from({ length: 20 }, () => broken));
    start();
    await until(() => expect(seen.connections).toHaveLength(21));
    expect(lines.map(({ level }) => level)).toEqual(['warn', 'info']);
  });

  test('is held back while items cannot be taken', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { start, seen } = readerOn([{ chunks: [1, 1, 1], ending: 'stay' }], {
      onItems: () => promise,
    });
    start();
    await until(() => expect(seen.read).toBe(1));
    resolve();
    await until(() => expect(seen.read).toBe(3));
  });

  test('ends with the signal and nothing else', async () => {
    const { reader, start, ended, stop, items } = readerOn([{ chunks: [3, 0, 2], ending: 'stay' }]);
    start();
    await until(() => expect(items()).toBe(5));
    expect(reader.status).toMatchObject({
      state: 'connected',
      connections: 1,
      subscriptionId: 'sub-1',
    });
    await stop();
    await expect(ended()).rejects.toThrow('stop');
    expect(reader.status.state).toBe('stopped');
  });
});
