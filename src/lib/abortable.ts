import { onAbort } from './on-abort.ts';

/** Waits for `promise`, or until `signal` aborts; the work behind the promise goes on. */
export async function abortable<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return promise;
  if (signal.aborted) promise.catch(() => undefined);
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const forget = onAbort(signal, () => aborted.reject(signal.reason as Error));
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    forget();
  }
}
