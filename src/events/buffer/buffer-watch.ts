import { BridgeError } from '../../errors.ts';
import type { Availability } from '../../lib/health/availability.ts';
import { type DependencyCheck, startDependencyCheck } from '../../lib/health/dependency-check.ts';
import { Gauge, type Registry } from '../../lib/metrics.ts';
import type { EventBuffer } from '../ports.ts';

export interface BufferWatchOptions {
  readonly buffer: Pick<EventBuffer, 'inspect'>;
  /** Of the buffer's own settings. */
  readonly availability: Availability;
  readonly registry: Registry;
}

const INTERVAL_MS = 30_000;
const STATES = ['waiting', 'held', 'delayed'] as const;
const RETRY = { baseMs: 1000, capMs: INTERVAL_MS };

/** Looks at the buffer itself from time to time: how much is in it, and whether it is set up right. */
export function startBufferWatch(options: BufferWatchOptions): DependencyCheck {
  const { buffer, availability, registry } = options;
  const events = new Gauge({
    name: 'pipeline_buffer_events',
    help: 'Events in the shared buffer, as it counts them: the same number in every process',
    labelNames: ['state'],
    registers: [registry],
  });
  return startDependencyCheck({
    availability,
    intervalMs: INTERVAL_MS,
    retry: RETRY,
    consequence: () => 'see what is wrong with it',
    async check(signal) {
      const { counts, problems, remark } = await buffer.inspect(signal);
      for (const state of STATES) events.set({ state }, counts[state]);
      if (problems.length > 0) {
        const code = 'buffer_attributes';
        throw new BridgeError(`The event buffer: ${problems.join('; ')}`, {
          code,
          kind: 'systemic',
        });
      }
      return remark;
    },
  });
}
