import { defineConfig } from 'vitest/config';

/** The same requests to the sandbox and to independent look-alikes of AWS: `tools/engines.sh`. */
export default defineConfig({
  test: {
    include: ['test/conformance/**/*.test.ts'],
    globalSetup: ['test/conformance/support/start-engines.ts'],
    reporters: ['default', './test/support/summary-reporter.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
