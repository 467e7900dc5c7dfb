import type { Reporter, TestModule } from 'vitest/node';
import { tableOf } from '../../../bench/table.ts';

/** Ends a run with one table of what was tried and what came of it. */
export default class TableReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const facts = modules
      .flatMap((module) => [...module.children.allTests()])
      .flatMap((test) => test.meta().attack ?? []);
    if (facts.length === 0) return;
    const table = tableOf([
      [
        'attack',
        'for s',
        'peak MiB',
        '/livez p99 ms',
        'failed',
        'published/s before',
        'during',
        'tried',
      ],
      ...facts.map((fact) => [
        fact.attack,
        fact.forMs / 1000,
        fact.peakBytes / 1_048_576,
        fact.livezP99Ms,
        fact.livezFailed,
        fact.publishedBefore,
        fact.publishedDuring,
        fact.tried,
      ]),
    ]);
    process.stdout.write(`\n${table}\n  failed: probes without an answer of 200 in 3 s\n`);
  }
}
