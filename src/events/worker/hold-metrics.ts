import { Counter, Gauge, type Registry } from '../../lib/metrics.ts';
import type { HoldCounts } from '../buffer/buffer-counts.ts';
import type { BufferSupply } from '../buffer/buffer-supply.ts';

export interface HoldMetricsOptions {
  readonly registry: Registry;
  readonly counts: HoldCounts;
  readonly supply: Pick<BufferSupply, 'inMemory' | 'ageMs'>;
}

const COUNTERS: readonly (readonly [keyof HoldCounts, string, string])[] = [
  ['held', 'pipeline_holds_total', 'Events held of the buffer'],
  [
    'ended',
    'pipeline_holds_ended_total',
    'Holds that ended before their event was settled: as many may be published twice',
  ],
  ['givenBack', 'pipeline_holds_given_back_total', 'Events given back to the buffer'],
  ['unreadable', 'pipeline_buffer_unreadable_total', 'Messages of the buffer that hold no event'],
  ['poisoned', 'pipeline_poisoned_total', 'Events given up after too many holds'],
  [
    'lettersRefused',
    'pipeline_buffer_letters_refused_total',
    'Letters that the dead-letter queue refused for good',
  ],
];

/** What a publisher does with the buffer; read when somebody scrapes. */
export function registerHoldMetrics({ registry, counts, supply }: HoldMetricsOptions): void {
  const registers = [registry];
  for (const [key, name, help] of COUNTERS) {
    void new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(counts[key]);
      },
    });
  }
  void new Gauge({
    name: 'pipeline_buffer_in_memory',
    help: 'Events held by this process',
    registers,
    collect() {
      this.set(supply.inMemory);
    },
  });
  void new Gauge({
    name: 'pipeline_buffer_oldest_seconds',
    help: 'Age in the buffer of what was held last',
    registers,
    collect() {
      this.set(supply.ageMs / 1000);
    },
  });
}
