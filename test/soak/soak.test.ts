// The short form of `npm run soak`: everything at once with faults and restarts, for a CI run.
import { expect, onTestFinished, test } from 'vitest';
import { judgeResources, judgeStatus } from '../../bench/soak/judge.ts';
import { reportOf } from '../../bench/soak/report.ts';
import { runSoak } from '../../bench/soak/run.ts';

const LIMIT_MS = 180_000;

test(
  'under all kinds of load, faults and kills, every event and record is accounted for',
  async () => {
    const stop = new AbortController();
    onTestFinished(() => stop.abort(new Error('The test has ended')));
    const options = {
      minutes: 0.3,
      // Another plan each day; a failure prints the seed that repeats it.
      seed: Math.floor(Date.now() / 86_400_000),
      eventsPerSecond: 200,
    };

    const result = await runSoak(options, stop.signal);
    judgeStatus(result);
    judgeResources(result);

    const report = reportOf(options, result);
    expect(result.problems.lines(), report).toEqual([]);
    const { taken, journalled, lost } = result.events;
    expect({ lost, journalled }, report).toEqual({ lost: 0, journalled: 0 });
    // A quiet run proves nothing.
    expect(taken).toBeGreaterThan(100);
    expect(result.records.written).toBeGreaterThan(100);
    expect(result.faults.find(({ name }) => name === 'kill -9')?.times).toBeGreaterThan(0);
    expect(result.faults.filter(({ hits }) => hits > 0).length).toBeGreaterThan(10);
  },
  LIMIT_MS,
);
