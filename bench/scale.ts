// Readers and publishers of a shared buffer, beside the process that does all over its journal: what
// an event costs, how publishers add up, what SQS is asked for it, how long it takes. The sandbox is a
// process of its own.
import { setTimeout as sleep } from 'node:timers/promises';
import { type ServiceProcess, startProcess } from '../test/support/processes.ts';
import { metricOf } from '../test/support/replicas.ts';
import { histogram, quantileMs } from './histogram.ts';
import { type BenchResult, type BenchRow, ratioOf } from './result.ts';
import { cpuMs, fill, HOLD_SECONDS, onStage, sqsRequests } from './scale/stage.ts';

interface Sizes {
  readonly rounds: number;
  /** Of one measurement at full speed. */
  readonly measureMs: number;
  /** Of one at a steady rate. */
  readonly steadyMs: number;
  readonly rates: readonly number[];
}

const SIZES: Readonly<Record<'full' | 'quick', Sizes>> = {
  full: { rounds: 3, measureMs: 6000, steadyMs: 20_000, rates: [12, 116, 1157] },
  quick: { rounds: 1, measureMs: 1500, steadyMs: 3000, rates: [116] },
};
const WARM_UP_MS = 1500;
const STEADY_RATE = 200;
const BUS_LATENCY_MS = 50;
/** Of a FIFO queue, us-east-1, list price: dollars for a million requests. */
const DOLLARS_PER_MILLION = 0.5;
export async function run(quick: boolean): Promise<BenchResult> {
  const sizes = SIZES[quick ? 'quick' : 'full'];
  return {
    bench: 'scale',
    rows: [
      ...(await costRows(sizes)),
      ...(await scalingRows(sizes)),
      ...(await requestRows(sizes)),
      ...(await latencyRows(sizes)),
    ],
    notes: [
      `${sizes.rounds} rounds of what an event costs, one of the rest; ${sizes.measureMs / 1000} s each at full speed, ${sizes.steadyMs / 1000} s at a steady rate`,
      'CPU time of the whole process by /proc, threads of the runtime included; a busy machine raises it by some',
      `publishers that wait: PutEvents takes ${BUS_LATENCY_MS} ms, PUBLISH_MAX_IN_FLIGHT=1`,
      `SQS at $${DOLLARS_PER_MILLION} a million requests (FIFO, us-east-1), two readers and two publishers`,
      'sandbox, readers and publishers share the machine: events/s of several publishers are a figure of its cores',
    ],
  };
}

/** What one event costs a process, microseconds of CPU time, and how many went through in a second. */
async function cost(service: ServiceProcess, count: () => Promise<number>, ms: number) {
  await sleep(WARM_UP_MS);
  const before = { events: await count(), cpuMs: cpuMs(service.pid), atMs: performance.now() };
  await sleep(ms);
  const events = (await count()) - before.events;
  return {
    microseconds: ((cpuMs(service.pid) - before.cpuMs) * 1000) / events,
    perSecond: (events * 1000) / (performance.now() - before.atMs),
  };
}

async function costRows({ rounds, measureMs }: Sizes): Promise<BenchRow[]> {
  const kinds = ['all in one', 'reader', 'publisher'] as const;
  const micros: Record<string, number[]> = { 'all in one': [], reader: [], publisher: [] };
  const speeds: Record<string, number[]> = { 'all in one': [], reader: [], publisher: [] };
  const twoPublishers: number[] = [];
  const note = (kind: string, { microseconds, perSecond }: Awaited<ReturnType<typeof cost>>) => {
    micros[kind]?.push(microseconds);
    speeds[kind]?.push(perSecond);
  };
  for (let round = 0; round < rounds; round += 1) {
    await onStage(async ({ sandbox, setTraffic, accepted }) => {
      const service = await startProcess(sandbox.environment, { waitFor: '/readyz' });
      await setTraffic('max');
      note('all in one', await cost(service, accepted, measureMs));
      await service.stop('SIGKILL');
    });
    await onStage(async (stage) => {
      const { start, setTraffic, accepted } = stage;
      const reader = await start('reader-0');
      await setTraffic('max');
      const taken = () => metricOf(reader, 'pipeline_events_buffered_total');
      note('reader', await cost(reader, taken, measureMs));
      await setTraffic(0);
      await reader.stop('SIGKILL');
      // Enough for one publisher, then for two.
      await fill(stage, 8 * (WARM_UP_MS + measureMs));
      const publisher = await start('publisher-0');
      note('publisher', await cost(publisher, accepted, measureMs));
      const other = await start('publisher-1');
      twoPublishers.push((await cost(other, accepted, measureMs / 2)).perSecond);
    });
  }
  return [
    ...kinds.map((kind) => ({
      name: `CPU seconds per million events, ${kind}`,
      unit: 's',
      values: micros[kind] ?? [],
      ratio: {
        to: 'all in one',
        value: ratioOf(micros[kind] ?? [], micros['all in one'] ?? []),
        ...(kind === 'publisher' ? { goal: 'at most 130 s' } : {}),
        ...(kind === 'reader' ? { goal: 'at most 55 s' } : {}),
      },
    })),
    ...kinds.map((kind) => ({
      name: `at full speed, ${kind}`,
      unit: 'events/s',
      values: speeds[kind] ?? [],
    })),
    { name: 'at full speed, two publishers', unit: 'events/s', values: twoPublishers },
  ];
}

/** Publishers that wait for the bus, not for the processor: twice as many do twice as much. */
async function scalingRows({ measureMs }: Sizes): Promise<BenchRow[]> {
  return onStage(async (stage) => {
    const { sandbox, start, accepted } = stage;
    await fill(stage, (7 * 200 * (WARM_UP_MS + measureMs)) / 1000 + 8000);
    await sandbox.control.post('/faults', {
      target: 'aws.events.PutEvents',
      latencyMs: BUS_LATENCY_MS,
    });
    const publishers: ServiceProcess[] = [];
    const rows: BenchRow[] = [];
    let alone = Number.NaN;
    for (const wanted of [1, 2, 4]) {
      while (publishers.length < wanted) {
        publishers.push(
          await start(`publisher-${publishers.length}`, { PUBLISH_MAX_IN_FLIGHT: '1' }),
        );
      }
      const each = () =>
        Promise.all(publishers.map((one) => metricOf(one, 'pipeline_events_published_total')));
      await sleep(WARM_UP_MS);
      const [before, startedMs] = [await each(), performance.now()];
      const acceptedBefore = await accepted();
      await sleep(measureMs);
      const perSecond =
        (((await accepted()) - acceptedBefore) * 1000) / (performance.now() - startedMs);
      const shares = (await each()).map((count, index) => count - (before[index] ?? 0));
      if (wanted === 1) alone = perSecond;
      rows.push({
        name: `publishers that wait for the bus: ${wanted}`,
        unit: 'events/s',
        values: [perSecond],
        ratio: {
          to: 'one',
          value: perSecond / alone,
          goal: `${wanted} × 0.95; least and most of them: ${Math.min(...shares)}, ${Math.max(...shares)}`,
        },
      });
    }
    return rows;
  });
}

/** What SQS is asked for an event, by the rate of events. */
async function requestRows({ rates, steadyMs }: Sizes): Promise<BenchRow[]> {
  return onStage(async ({ sandbox, start, setTraffic, accepted }) => {
    await Promise.all(
      ['reader-0', 'reader-1', 'publisher-0', 'publisher-1'].map((name) => start(name)),
    );
    const rows: BenchRow[] = [];
    for (const rate of rates) {
      await setTraffic(rate);
      await sleep(WARM_UP_MS);
      const before = { requests: await sqsRequests(sandbox), events: await accepted() };
      await sleep(steadyMs);
      const events = (await accepted()) - before.events;
      const perEvent = Object.entries(await sqsRequests(sandbox)).map(
        ([operation, count]) =>
          [operation, (count - (before.requests[operation] ?? 0)) / events] as const,
      );
      const sum = perEvent.reduce((total, [, count]) => total + count, 0);
      const parts = perEvent.map(([operation, count]) => `${operation} ${count.toFixed(2)}`);
      rows.push({
        name: `SQS requests an event at ${rate} events/s (${parts.join(', ')})`,
        unit: `= $${(sum * DOLLARS_PER_MILLION).toFixed(2)} a million`,
        values: [sum],
        goal: rate === 1157 ? 'at most 0.45' : '',
      });
    }
    return rows;
  });
}

/** From taken to accepted through the buffer, and when the one who holds an event is killed. */
async function latencyRows({ steadyMs }: Sizes): Promise<BenchRow[]> {
  return onStage(async ({ sandbox, start, setTraffic, accepted, queue }) => {
    await start('reader-0');
    const holder = await start('publisher-0');
    await setTraffic(STEADY_RATE);
    await sleep(3000);
    const before = await histogram(holder);
    await sleep(steadyMs);
    const after = await histogram(holder);
    await setTraffic(0);
    while ((await queue.size()) > 0) await sleep(50);

    const settled = await accepted();
    await sandbox.control.post('/faults', { target: 'aws.events.PutEvents', hang: true });
    await setTraffic(STEADY_RATE);
    await sleep(1000);
    await setTraffic(0);
    await sleep(500);
    await holder.stop('SIGKILL');
    const killedMs = performance.now();
    await sandbox.control.remove('/faults');
    const held = await queue.size();
    await start('publisher-1');
    while ((await accepted()) < settled + held) await sleep(20);
    const backMs = performance.now() - killedMs;
    return [
      ...[0.5, 0.99].map((share) => ({
        name: `p${100 * share} from taken to accepted at ${STEADY_RATE} events/s, at most`,
        unit: 'ms',
        values: [quantileMs(before, after, share)],
        goal: share === 0.5 ? '' : 'under 150 ms',
      })),
      {
        name: `kill -9 of the holder of ${held} events: all accepted after`,
        unit: 'ms',
        values: [backMs],
        goal: `at most ${(HOLD_SECONDS + 1) * 1000}: the hold and a second`,
      },
    ];
  });
}
