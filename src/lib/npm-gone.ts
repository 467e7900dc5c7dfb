/** How often it is looked, in milliseconds. */
const POLL_MS = 250;

/**
 * A SIGTERM to `npm start` ends npm and the shell between, which does not hand it on: without this
 * what npm started would live on, holding its port and its files, and nobody would know it. Without
 * npm nothing is watched.
 */
export function onNpmGone(stop: () => void): void {
  if (process.env['npm_lifecycle_event'] === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    stop();
  }, POLL_MS).unref();
}
