import type { RawEvent } from '../ports.ts';

/** What is said about an interaction; the rest is made up. */
export interface InteractionFacts {
  readonly interactionId?: string;
  /** Default `voice`. */
  readonly type?: string;
  /** Default `high`. */
  readonly priority?: string;
  /** ISO 8601. Default now. */
  readonly createdTime?: string;
  /** Name of the queue. Default `Priority Support`. */
  readonly queue?: string;
  /** Default `created`. */
  readonly eventType?: string;
}

/** An interaction event as the source would send it. */
export function createSampleEvent(
  facts: InteractionFacts,
  options: { readonly uuid: () => string; readonly now: () => Date },
): RawEvent {
  return {
    id: facts.interactionId ?? options.uuid(),
    resourceType: 'interaction',
    eventType: facts.eventType ?? 'created',
    createdTime: facts.createdTime ?? options.now().toISOString(),
    payload: {
      type: facts.type ?? 'voice',
      priority: facts.priority ?? 'high',
      routing: { queue: { name: facts.queue ?? 'Priority Support' } },
    },
  };
}
