import { defineConfig } from 'vitest/config';

/** The long fault tests: processes that are killed, outages of half a minute, full disks. */
export default defineConfig({
  test: {
    include: ['test/faults/**/*.test.ts'],
    reporters: [
      'default',
      './test/faults/support/table-reporter.ts',
      './test/support/summary-reporter.ts',
    ],
    testTimeout: 300_000,
    hookTimeout: 60_000,
    // Each one loads both cores by itself.
    maxWorkers: 1,
    fileParallelism: false,
  },
});
