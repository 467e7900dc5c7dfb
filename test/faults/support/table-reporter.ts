import type { Reporter, TestModule } from 'vitest/node';
import { tableOf } from '../../../bench/table.ts';

/** Ends a run with one table of what each fault did. */
export default class TableReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const facts = modules
      .flatMap((module) => [...module.children.allTests()])
      .flatMap((test) => test.meta().fault ?? []);
    if (facts.length === 0) return;
    const table = tableOf([
      [
        'fault',
        'for s',
        'sent',
        'taken',
        'published',
        'dead-lettered',
        'duplicates',
        'lost',
        'recovery s',
      ],
      ...facts.map((fact) => [
        fact.fault,
        fact.durationMs / 1000,
        fact.sent,
        fact.taken,
        fact.published,
        fact.deadLettered,
        fact.duplicates,
        fact.lost,
        fact.recoveryMs / 1000,
      ]),
    ]);
    process.stdout.write(
      `\n${table}\n  recovery: from the end of the fault until every event that was taken is settled\n`,
    );
  }
}
