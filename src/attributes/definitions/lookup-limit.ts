import { BusyError } from '../../errors.ts';
import { createHitCounter } from '../../lib/limits/hit-counter.ts';

/**
 * Bounds how many organisations a caller may have looked up in a minute: whoever asks for one unknown
 * id after the other would use the budget of Genesys up.
 *
 * @returns throws BusyError `organisations_busy_for_caller` when there were enough.
 */
export function createLookupLimit(options: {
  readonly perMinute: number;
  /** On whose behalf something is looked up right now; nobody's is not counted. */
  readonly caller: () => string | undefined;
}): () => void {
  const counter = createHitCounter();
  return () => {
    const caller = options.caller();
    if (caller === undefined || counter.hit(caller).hits <= options.perMinute) return;
    throw new BusyError(
      `This caller has had ${options.perMinute} organisations looked up within a minute that were not in the cache; check the ids, or raise ORGANISATION_LOOKUPS_PER_MINUTE`,
      { code: 'organisations_busy_for_caller', isCallers: true },
    );
  };
}
