// npm run soak -- --minutes N [--seed S] [--rate EVENTS_PER_SECOND]
// Everything at once, with faults from a printed seed; exit code 1 on any loss, leak or error.
import { parseArgs } from 'node:util';
import { judgeResources, judgeStatus } from './soak/judge.ts';
import { reportOf } from './soak/report.ts';
import { runSoak } from './soak/run.ts';

/** Start, drain and audit, on top of the minutes of the run. */
const REST_MS = 180_000;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '20' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
    rate: { type: 'string', default: '300' },
  },
});
const options = {
  minutes: Number(values.minutes),
  seed: Number(values.seed),
  eventsPerSecond: Number(values.rate),
};
if (
  !(options.minutes >= 0.2) ||
  !Number.isInteger(options.seed) ||
  !(options.eventsPerSecond > 0)
) {
  console.error('--minutes: a number from 0.2; --seed: a whole number; --rate: a number above 0');
  process.exit(2);
}

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => stop.abort(new Error(`Stopped by ${signal}`)));
}
const bound = setTimeout(
  () => stop.abort(new Error('The soak did not come to its end in time')),
  options.minutes * 60_000 + REST_MS,
);
console.log(`soak: ${options.minutes} minutes, seed ${options.seed}`);
try {
  const result = await runSoak(options, stop.signal);
  judgeStatus(result);
  judgeResources(result);
  console.log(`\n${reportOf(options, result)}`);
  process.exitCode = result.problems.count() === 0 ? 0 : 1;
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  clearTimeout(bound);
}
