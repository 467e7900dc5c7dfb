import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/doors/**', 'test/faults/**', 'test/conformance/**'],
    reporters: ['default', './test/support/summary-reporter.ts'],
    setupFiles: ['test/support/patience.ts'],
    testTimeout: 15_000,
    hookTimeout: 15_000,
    // Two cores: more workers than that only make time limits unreliable.
    maxWorkers: 2,
  },
});
