import { BridgeError } from '../../errors.ts';
import { type Availability, errorFacts } from '../../lib/health/availability.ts';
import type { Logger } from '../../lib/logger.ts';
import { createWakeup } from '../../lib/wakeup.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';

export interface FailureStopOptions {
  readonly pipeline: Pick<Pipeline, 'versions'>;
  /** Reports the dependency `pipeline`. */
  readonly availability: Availability;
  /** What an earlier run decided. */
  readonly recall: () => string | undefined;
  readonly remember: (decision: string) => void;
  /** How often it is looked whether an edit came, in milliseconds. */
  readonly checkMs: number;
  readonly log: Logger;
}

/**
 * Holds the pipeline when a new version of filter, expression or schema makes more than half of a
 * thousand events fail: a mistake in an edit costs at most 500 dead letters, not all events.
 */
export interface FailureStop {
  /** Looks whether other versions are in use; then their trial begins. Called once in a while. */
  look(): void;
  /** An event passed. */
  passed(): void;
  /** An event failed; whether it must wait instead of becoming a dead letter. */
  failed(): boolean;
  readonly held: boolean;
  /** Resolves when other versions are in use, or somebody accepts the failures. */
  whenReleased(signal: AbortSignal): Promise<void>;
  /** From now on events that fail with these versions become dead letters. */
  accept(): void;
}

/** A version is new for so many events; after that, failures are the fault of the events. */
const TRIAL_EVENTS = 1000;
const MAX_FAILURES = TRIAL_EVENTS / 2;

type State = 'trial' | 'held' | 'accepted';

export function createFailureStop(options: FailureStopOptions): FailureStop {
  const { pipeline, availability, recall, remember, checkMs, log } = options;
  const released = createWakeup();
  let versions = '';
  let state: State = 'trial';
  let passed = 0;
  let failed = 0;

  /** What was decided about these versions before, also by an earlier run, holds. */
  function look(): void {
    const { filter, expression, schema } = pipeline.versions;
    const current = `${filter} ${expression} ${schema}`;
    if (current === versions) return;
    versions = current;
    passed = 0;
    failed = 0;
    const decision = recall();
    if (decision === `held ${current}`) hold();
    else {
      state = decision === `accepted ${current}` ? 'accepted' : 'trial';
      availability.up();
    }
  }

  function hold(): void {
    state = 'held';
    availability.down(
      new BridgeError(
        'Most events fail with the filter, expression and schema in use; mend them, ' +
          'or accept the failures with POST /worker/resume {"acceptFailures":true}',
        { code: 'most_events_fail', kind: 'systemic' },
      ),
      'events wait in the journal',
    );
  }

  function decide(decision: string): void {
    try {
      remember(`${decision} ${versions}`);
    } catch (error) {
      log.warn(errorFacts(error), 'What was decided about failing events ends with a restart');
    }
  }

  look();

  return {
    look,
    passed() {
      if (state !== 'trial') return;
      passed += 1;
      if (passed + failed >= TRIAL_EVENTS) state = 'accepted';
    },
    failed() {
      look();
      if (state !== 'trial') return state === 'held';
      if (failed >= MAX_FAILURES) {
        hold();
        decide('held');
        return true;
      }
      failed += 1;
      if (passed + failed >= TRIAL_EVENTS) state = 'accepted';
      return false;
    },
    get held() {
      return state === 'held';
    },
    async whenReleased(signal) {
      for (;;) {
        look();
        if (state !== 'held') return;
        await released.wait(signal, checkMs);
      }
    },
    accept() {
      look();
      if (state === 'held') log.warn('Failures are accepted: events that fail become dead letters');
      state = 'accepted';
      decide('accepted');
      availability.up();
      released.wake();
    },
  };
}
