const EVERY_MS = 1000;

/**
 * One log line for many alike: a broken expression makes thousands of them a second.
 *
 * @param log gets the last of them, and how many it stands for; called once a second at most.
 */
export function createRarely<Facts extends unknown[]>(
  log: (count: number, ...facts: Facts) => void,
  now: () => number = Date.now,
): (...facts: Facts) => void {
  let loggedAtMs = Number.NEGATIVE_INFINITY;
  let suppressed = 0;

  return (...facts) => {
    suppressed += 1;
    if (now() - loggedAtMs < EVERY_MS) return;
    log(suppressed, ...facts);
    loggedAtMs = now();
    suppressed = 0;
  };
}
