import { randomUUID } from 'node:crypto';
import type { Faults } from '../faults.ts';
import { type Call, json, type Reply } from '../operation.ts';
import { parseObject, Refusal } from './error-body.ts';
import { createEventBuffer, type EventBuffer } from './event-buffer.ts';
import { batchOf, type EventBatch, type Expectation } from './interactions.ts';
import { createSentCount, type Sent } from './sent-count.ts';
import { createStreamClient, type StreamClient } from './stream-client.ts';

export interface EventStreamOptions {
  readonly faults: Faults;
  readonly random: () => number;
  /** A blank line after this much time. */
  readonly keepAliveMs: number;
  /** Events kept for a subscription that nobody reads; then the oldest are dropped. */
  readonly bufferEvents: number;
  /** So many of the last events are sent again to whoever connects after the first. */
  readonly duplicatesAfterReconnect: number;
  /** Share of the writes that are cut in two at any byte. */
  readonly awkwardShare: number;
  /** How many ids are remembered for each expectation. */
  readonly keepSentIds: number;
}

/**
 * Subscriptions and their streams. Every connection of a subscription gets every event. Events are
 * counted as sent when the operating system took them; TCP's back-pressure stops the traffic.
 */
export interface EventStream {
  readonly create: (call: Call) => Reply;
  readonly open: (call: Call) => Reply;
  /** Sends events (objects) and lines (texts as they are); before there is a subscription they wait. */
  emit(items: readonly unknown[]): void;
  /** Hands a generated batch to every subscription. */
  deliver(batch: EventBatch): void;
  /** Whether there is a subscription at all, somebody reads, and nobody is held back. */
  demand(): Demand;
  sent(): Sent;
  /** Ids of what was sent, in that order; a duplicate on purpose is not repeated here. */
  sentIds(expectation: Expectation): Iterable<string>;
  /** Whether ids of more events would still be remembered. */
  remembers(): boolean;
  clients(): number;
  subscriptions(): readonly string[];
  /** The stream answers 404 from now on; its connections break. */
  deleteSubscription(id: string): boolean;
  /** Breaks every connection. */
  cut(): void;
  reset(): void;
  stop(): void;
  /** Called when the demand may have grown. */
  onDemand: () => void;
}

type Demand = 'none' | 'buffered' | 'read' | 'blocked';

interface Subscription {
  readonly clients: Set<StreamClient>;
  /** What nobody has read. */
  backlog: EventBuffer;
  /** What was sent last. */
  readonly recent: EventBuffer;
}

const MAX_SUBSCRIPTIONS = 1000;

export function createEventStream(options: EventStreamOptions): EventStream {
  const { faults, random } = options;
  const subscriptions = new Map<string, Subscription>();
  /** Emitted before anybody subscribed. */
  let early = createEventBuffer(options.bufferEvents);
  const sent = createSentCount(options.keepSentIds);

  const keepAlive = setInterval(() => {
    for (const { clients } of subscriptions.values()) for (const c of clients) c.keepAlive();
  }, options.keepAliveMs);
  keepAlive.unref();

  function deliverTo(subscription: Subscription, batch: EventBatch): void {
    let taken = false;
    for (const client of subscription.clients) taken = client.send(batch) || taken;
    if (!taken) {
      sent.dropped(subscription.backlog.push(batch));
    } else if (options.duplicatesAfterReconnect > 0) {
      subscription.recent.push(batch);
    }
  }

  const stream: EventStream = {
    onDemand: () => undefined,

    create(call) {
      const { id, name } = readSubscription(call);
      if (!subscriptions.has(id)) {
        if (subscriptions.size >= MAX_SUBSCRIPTIONS)
          throw new Refusal(400, 'Too many subscriptions.');
        subscriptions.set(id, {
          clients: new Set(),
          backlog: early,
          recent: createEventBuffer(options.duplicatesAfterReconnect),
        });
        early = createEventBuffer(options.bufferEvents);
        stream.onDemand();
      }
      return json({ id, name });
    },

    open(call) {
      const [, , , , , encoded = ''] = call.path.split('/');
      const subscription = subscriptions.get(encoded);
      if (subscription === undefined) {
        throw new Refusal(404, `There is no subscription ${encoded}.`);
      }
      return {
        status: 200,
        headers: { 'content-type': 'application/json; charset=UTF-8', 'cache-control': 'no-store' },
        stream(response) {
          let again = subscription.recent.drain();
          const client = createStreamClient({
            response,
            faults,
            random,
            awkwardShare: options.awkwardShare,
            onFlushed(batch) {
              if (again.includes(batch)) {
                sent.again(batch);
                again = again.filter((other) => other !== batch);
              } else sent.first(batch);
            },
            onDrain: () => stream.onDemand(),
          });
          response.once('close', () => subscription.clients.delete(client));
          subscription.clients.add(client);
          for (const batch of again) client.send(batch);
          for (const batch of subscription.backlog.drain()) deliverTo(subscription, batch);
          stream.onDemand();
        },
      };
    },

    emit(items) {
      if (subscriptions.size === 0) {
        for (const item of items) sent.dropped(early.push(batchOf([item])));
        return;
      }
      // One batch each, so that every event counts as sent on its own.
      for (const item of items) stream.deliver(batchOf([item]));
    },
    deliver(batch) {
      for (const subscription of subscriptions.values()) deliverTo(subscription, batch);
    },
    demand: () => demandOf(subscriptions.values()),
    sent: sent.total,
    sentIds: sent.ids,
    remembers: sent.remembers,
    clients: () => [...subscriptions.values()].reduce((sum, { clients }) => sum + clients.size, 0),
    subscriptions: () => [...subscriptions.keys()],
    deleteSubscription(id) {
      for (const client of subscriptions.get(id)?.clients ?? []) client.cut();
      return subscriptions.delete(id);
    },
    cut() {
      for (const { clients } of subscriptions.values()) for (const client of clients) client.cut();
    },
    reset() {
      early.drain();
      sent.clear();
      for (const subscription of subscriptions.values()) {
        subscription.backlog.drain();
        subscription.recent.drain();
      }
    },
    stop() {
      clearInterval(keepAlive);
      stream.cut();
    },
  };
  return stream;
}

function demandOf(subscriptions: Iterable<Subscription>): Demand {
  let demand: Demand = 'none';
  for (const { clients } of subscriptions) {
    if (demand === 'none') demand = 'buffered';
    for (const client of clients) {
      if (client.isBlocked()) return 'blocked';
      if (client.isOpen()) demand = 'read';
    }
  }
  return demand;
}

/** The subscription that a request asks for, under an id of its choice or a new one. */
function readSubscription(call: Call): { readonly id: string; readonly name: string } {
  const { id = randomUUID(), name, resourceTypes, eventTypes } = parseObject(call.body);
  if (typeof name !== 'string' || name === '') throw new Refusal(400, 'name is required.');
  for (const [field, list] of Object.entries({ resourceTypes, eventTypes })) {
    if (Array.isArray(list) && list.length > 0) continue;
    throw new Refusal(400, `${field} has to be a list with at least one entry.`);
  }
  if (typeof id !== 'string' || !/^[\w.-]{1,128}$/.test(id)) {
    throw new Refusal(400, 'id has to be 1 to 128 letters, digits, dots, dashes.');
  }
  return { id, name };
}
