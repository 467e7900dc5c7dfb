import { vi } from 'vitest';

// The default of one second is too short for a busy machine with two cores; waiting longer costs
// nothing where a condition comes true.
const { waitFor } = vi;
vi.waitFor = (callback, options = {}) =>
  waitFor(callback, {
    timeout: 10_000,
    interval: 20,
    ...(typeof options === 'number' ? { timeout: options } : options),
  });
