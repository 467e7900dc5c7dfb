import { UpstreamError } from '../../errors.ts';
import { fullJitterMs, sleep } from '../../lib/retry.ts';

const BACK_OFF = { baseMs: 50, capMs: 1000 };

/** Again, while what is wrong may pass and there is time. @returns what went wrong last. */
export async function patiently(
  patienceMs: number,
  round: () => Promise<UpstreamError | undefined>,
): Promise<UpstreamError | undefined> {
  const startedMs = performance.now();
  for (let tries = 1; ; tries += 1) {
    const failure = await round().catch((error: unknown) => {
      if (error instanceof UpstreamError) return error;
      throw error;
    });
    if (failure?.kind !== 'retry' || performance.now() - startedMs >= patienceMs) return failure;
    await sleep(fullJitterMs(BACK_OFF, tries));
  }
}
