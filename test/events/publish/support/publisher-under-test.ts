import { setTimeout as delay } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { UpstreamError } from '../../../../src/errors.ts';
import type { BusEntry, EventBus, PutOutcome } from '../../../../src/events/ports.ts';
import {
  createPublisher,
  type PublisherOptions,
} from '../../../../src/events/publish/publisher.ts';
import type { TakenEvent } from '../../../../src/events/taken-event.ts';
import { createPipelineStats } from '../../../../src/events/telemetry/pipeline-stats.ts';
import { createAvailability } from '../../../../src/lib/health/availability.ts';
import { createHealth } from '../../../../src/lib/health/health.ts';
import { createLogger } from '../../../../src/lib/logger.ts';

export const ACCEPTED: PutOutcome = { accepted: true };

export function refused(code: string, kind: 'retry' | 'reject' | 'systemic'): PutOutcome {
  const refusal = { accepted: false, code, message: `refused: ${code}` } as const;
  if (kind === 'reject') return { ...refusal, kind, fault: 'entry' };
  return { ...refusal, kind, throttled: code.endsWith('_throttled') };
}

export function busFailure(
  code: string,
  kind: 'retry' | 'reject' | 'systemic',
  status?: number,
  retryAfterMs?: number,
) {
  return new UpstreamError(`failed: ${code}`, {
    service: 'eventbridge',
    code,
    kind,
    status,
    retryAfterMs,
    throttled: code.endsWith('_throttled'),
  });
}

/** What the bus does with one call: outcomes, or an error to throw. */
export type Answer = (names: readonly string[]) => readonly PutOutcome[] | Error;

/** A bus in memory, with the port's semantics; tests say what it answers. */
export function busInMemory(limits: { maxEntries?: number; maxBytes?: number } = {}) {
  const calls: string[][] = [];
  const state = {
    answer: ((names) => names.map(() => ACCEPTED)) as Answer,
    check: undefined as Error | undefined,
    /** What a look at the bus remarks. */
    remark: undefined as string | undefined,
    checks: 0,
    callMs: 1,
    inFlight: 0,
    maxInFlight: 0,
    calls,
  };
  const bus: EventBus = {
    maxEntries: limits.maxEntries ?? 10,
    maxBytes: limits.maxBytes ?? 10_000,
    bytesOf: (entry) => entry.detail.length,
    groupOf: ({ source, detailType }) => `${source}\n${detailType}`,
    async put(entries, signal) {
      const names = entries.map(nameOf);
      calls.push(names);
      state.inFlight += 1;
      state.maxInFlight = Math.max(state.maxInFlight, state.inFlight);
      try {
        await delay(state.callMs, undefined, signal === undefined ? {} : { signal });
      } finally {
        state.inFlight -= 1;
      }
      const answer = state.answer(names);
      if (answer instanceof Error) throw answer;
      return answer;
    },
    async check() {
      state.checks += 1;
      if (state.check !== undefined) throw state.check;
      return state.remark;
    },
  };
  return { bus, state };
}

function nameOf(entry: BusEntry): string {
  return entry.resources[0] ?? '';
}

type TransformedEvent = TakenEvent & { readonly entry: BusEntry };

let lastSeq = 0;

/** An event whose entry has `bytes` bytes, as `busInMemory` counts them. */
export function takenEvent(name: string, bytes = 10, source = 's'): TransformedEvent {
  lastSeq += 1;
  return {
    seq: lastSeq,
    eventId: name,
    raw: {},
    takenAtMs: 0,
    size: bytes,
    isReplayed: false,
    entry: {
      source,
      detailType: 't',
      detail: 'x'.repeat(bytes),
      time: new Date(0),
      resources: [name],
    },
  };
}

export function events(count: number, prefix = 'event', source = 's'): TransformedEvent[] {
  return Array.from({ length: count }, (_, index) => takenEvent(`${prefix}-${index}`, 10, source));
}

export function publisherOn(bus: EventBus, options: Partial<PublisherOptions> = {}) {
  const accepted: string[] = [];
  const refusals = new Map<string, string>();
  const stats = createPipelineStats();
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({
    level: 'info',
    destination: { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  });
  const health = createHealth();
  const publisher = createPublisher({
    bus,
    availability: createAvailability({
      what: 'The event bus',
      reporter: health.dependency('bus'),
      log,
    }),
    stats,
    lingerMs: 1,
    maxInFlight: 4,
    retry: { maxRetries: 3, baseMs: 2, capMs: 20 },
    onAccepted: (done) => void accepted.push(...done.map(({ eventId }) => eventId)),
    onRefused: ({ event, code }) => void refusals.set(event.eventId, code),
    ...options,
  });
  const stopping = new AbortController();
  const running = publisher.run(stopping.signal).catch(() => undefined);
  onTestFinished(async () => {
    stopping.abort();
    publisher.stop();
    await running;
  });
  return {
    publisher,
    accepted,
    refusals,
    stats,
    lines,
    health,
    add: (list: readonly TransformedEvent[]) => {
      for (const event of list) publisher.add(event, event.entry);
    },
    /** As what a replay takes again. */
    addLetters: (list: readonly TransformedEvent[]) => {
      for (const event of list) publisher.add({ ...event, isReplayed: true }, event.entry);
    },
    bus: () => health.snapshot()[0]?.state,
  };
}
