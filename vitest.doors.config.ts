import { defineConfig } from 'vitest/config';

/** Attacks on the compiled service within the memory that the manifest gives it. */
export default defineConfig({
  test: {
    include: ['test/doors/**/*.test.ts'],
    globalSetup: ['test/doors/support/build.ts'],
    reporters: [
      'default',
      './test/doors/support/table-reporter.ts',
      './test/support/summary-reporter.ts',
    ],
    testTimeout: 90_000,
    hookTimeout: 60_000,
    // Other work on a shared machine takes the processor away for seconds at times.
    retry: 3,
    // Each one loads both cores by itself.
    maxWorkers: 1,
    fileParallelism: false,
  },
});
