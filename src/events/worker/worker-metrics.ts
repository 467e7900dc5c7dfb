import { Counter, Gauge, Histogram, type Registry } from '../../lib/metrics.ts';
import type { Journal } from '../journal/journal.ts';
import type { Publisher } from '../publish/publisher.ts';
import type { PipelineCounts, PipelineStats } from '../telemetry/pipeline-stats.ts';
import type { StreamReader } from './stream-reader.ts';
import type { TransformLoop } from './transform-loop.ts';
import type { WorkerOutlet } from './worker-outlet.ts';

const COUNTERS: readonly (readonly [keyof PipelineCounts, string])[] = [
  ['received', 'Events read from the stream'],
  ['ingested', 'Events that matched the filter and were committed to the journal'],
  ['published', 'Events that the bus accepted'],
  ['failed', 'Events that became dead letters'],
  ['filteredOut', 'Events that the filter left out'],
  ['malformed', 'Lines of the stream that are no events'],
  ['duplicates', 'Events dropped because they had been taken before'],
  ['unidentified', 'Events taken that cannot be recognised when they come again'],
  ['replayed', 'Dead letters that were taken again'],
];

/** What happens to events, in every role. Numbers are read when somebody scrapes, not when they change. */
export function registerEventMetrics(registry: Registry, stats: PipelineStats): void {
  const { counter } = makersFor(registry);
  for (const [key, help] of COUNTERS) {
    const name = key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    counter(`pipeline_events_${name}_total`, help, () => stats.counts[key]);
  }
  const registers = [registry];
  void new Counter({
    name: 'pipeline_retries_total',
    help: 'Events that were sent to the bus again, by the error before',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset();
      for (const [reason, count] of stats.retries) this.inc({ reason }, count);
    },
  });
  void new Counter({
    name: 'pipeline_stage_seconds_total',
    help: 'Time spent in each stage',
    labelNames: ['stage'],
    registers,
    collect() {
      this.reset();
      for (const [stage, { ms }] of stats.stages) this.inc({ stage }, ms / 1000);
    },
  });
  void new Counter({
    name: 'pipeline_stage_events_total',
    help: 'Events that went through each stage',
    labelNames: ['stage'],
    registers,
    collect() {
      this.reset();
      for (const [stage, { events }] of stats.stages) this.inc({ stage }, events);
    },
  });
}

/** Of a process that reads the stream. */
export function registerReaderMetrics(
  registry: Registry,
  parts: {
    readonly journal: Journal;
    readonly reader: StreamReader;
    readonly stats: PipelineStats;
  },
): void {
  const { counter, gauge } = makersFor(registry);
  const { journal, reader, stats } = parts;
  gauge('pipeline_journal_events', 'Events taken and not settled yet', () => journal.events);
  gauge('pipeline_journal_letters', 'Dead letters that wait on disk', () => journal.letters);
  gauge('pipeline_journal_bytes', 'Size of the journal', () => journal.bytes);
  gauge(
    'pipeline_journal_oldest_seconds',
    'Age of the oldest event that is not settled yet',
    () => journal.oldestAgeMs / 1000,
  );
  gauge('pipeline_stream_connected', '1 while the event stream is connected', () =>
    Number(reader.status.state === 'connected'),
  );
  counter(
    'pipeline_stream_connections_total',
    'Connections to the event stream',
    () => reader.status.connections,
  );
  gauge(
    'pipeline_stream_lag_seconds',
    'Age of the event that was read last, when it was read',
    () => stats.lagMs / 1000,
  );
}

/** Of the way to the bus, or to the shared buffer. The latency is from taken to accepted there. */
export function registerOutletMetrics(
  registry: Registry,
  { name, stats }: Pick<WorkerOutlet<never>, 'name' | 'stats'>,
  parts: {
    readonly publisher: Omit<Publisher, 'add'>;
    readonly transformLoop: Pick<TransformLoop, 'held'>;
  },
): void {
  const { publisher, transformLoop } = parts;
  const { counter, gauge } = makersFor(registry);
  const there = `the ${name}`;
  counter(`pipeline_${name}_calls_total`, `Calls to ${there}`, () => stats.counts.busCalls);
  counter(
    `pipeline_${name}_entries_total`,
    'Entries in these calls: divided by them, how full the batches are',
    () => stats.counts.busEntries,
  );
  gauge(`pipeline_${name}_in_flight`, `Calls to ${there} under way`, () => publisher.inFlight);
  gauge(
    `pipeline_${name}_in_flight_limit`,
    `Calls to ${there} that may be under way`,
    () => publisher.inFlightLimit,
  );
  gauge(
    `pipeline_${name}_calls_per_second_limit`,
    `Pace of calls to ${there} since it throttled one; without that +Inf`,
    () => publisher.callsPerSecond ?? Infinity,
  );
  gauge(`pipeline_${name}_waiting`, `Events ready for ${there}`, () => publisher.waiting);
  gauge(`pipeline_${name}_delayed`, 'Events that wait for their next try', () => publisher.delayed);
  const [open, help] =
    name === 'bus'
      ? ['pipeline_bus_open', '1 while publishing is possible']
      : ['pipeline_buffer_open', '1 while the buffer takes events'];
  gauge(open, help, () => Number(publisher.open));
  if (name === 'bus') {
    gauge('pipeline_held', '1 while all events wait: no schema yet, or most events fail', () =>
      Number(transformLoop.held),
    );
  }
  if (name === 'buffer') {
    counter(
      'pipeline_events_buffered_total',
      'Events that the shared buffer took',
      () => stats.counts.published,
    );
  }
}

/** From taken to accepted by the bus or by the shared buffer. */
export function createLatencyMetric(
  registry: Registry,
  { name }: Pick<WorkerOutlet<never>, 'name'>,
): Histogram {
  return new Histogram({
    name: name === 'bus' ? 'pipeline_latency_seconds' : 'pipeline_buffer_take_seconds',
    help: `From taken to accepted by the ${name}`,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300],
    registers: [registry],
  });
}

function makersFor(registry: Registry) {
  const registers = [registry];
  return {
    counter: (name: string, help: string, read: () => number): void => {
      void new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(read());
        },
      });
    },
    gauge: (name: string, help: string, read: () => number): void => {
      void new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    },
  };
}
