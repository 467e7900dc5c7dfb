/** What the line needs to know of a message. */
export interface Lined {
  readonly messageId: string;
  /** Messages of one group stay in their order and wait for each other; without one it is alone. */
  readonly groupId?: string | undefined;
  /** Its place in the line; higher came later. */
  readonly position: number;
  /** Hidden until then, epoch milliseconds. */
  visibleAt: number;
}

interface Group<T> {
  readonly key: string;
  /** In their order. */
  readonly messages: T[];
  /** So many of them are hidden; then the others wait. */
  hidden: number;
}

/**
 * The messages of a queue, the visible apart from the hidden, so that a receive costs the same
 * however many are under way.
 */
export function createWaitingLine<T extends Lined>(isFifo: boolean) {
  const groups = new Map<string, Group<T>>();
  const hidden = new Set<T>();
  /** Groups of which nothing is hidden, by the place of their first message. */
  let ready: Group<T>[] = [];
  /** Nothing hidden comes back before; epoch milliseconds. */
  let nextDueAt = Infinity;

  const keyOf = (message: T) => (isFifo ? `group ${message.groupId ?? ''}` : message.messageId);
  const placeOf = (group: Group<T> | undefined) => group?.messages[0]?.position ?? Infinity;

  const indexOf = (place: number) =>
    lowerBound(ready.length, (index) => placeOf(ready[index]) < place);

  function becomeReady(group: Group<T>): void {
    if (group.hidden > 0 || group.messages.length === 0) return;
    ready.splice(indexOf(placeOf(group)), 0, group);
  }

  function leaveReady(group: Group<T>): void {
    if (group.hidden > 0) return;
    const index = indexOf(placeOf(group));
    if (ready[index] === group) ready.splice(index, 1);
  }

  function show(message: T): void {
    if (!hidden.delete(message)) return;
    const group = groups.get(keyOf(message));
    if (group === undefined) return;
    group.hidden -= 1;
    becomeReady(group);
  }

  function hide(message: T, until: number): void {
    message.visibleAt = until;
    nextDueAt = Math.min(nextDueAt, until);
    if (hidden.has(message)) return;
    const group = groups.get(keyOf(message));
    if (group === undefined) return;
    leaveReady(group);
    hidden.add(message);
    group.hidden += 1;
  }

  function showDue(at: number): void {
    if (nextDueAt > at) return;
    nextDueAt = Infinity;
    for (const message of hidden) {
      if (message.visibleAt <= at) show(message);
      else nextDueAt = Math.min(nextDueAt, message.visibleAt);
    }
  }

  return {
    /** The newest of all. */
    add(message: T, at: number): void {
      const key = keyOf(message);
      const group = groups.get(key) ?? { key, messages: [], hidden: 0 };
      groups.set(key, group);
      const isNew = group.messages.length === 0;
      group.messages.push(message);
      if (message.visibleAt > at) hide(message, message.visibleAt);
      else if (isNew) becomeReady(group);
    },

    /** Up to `max` visible messages, oldest first, hidden from now on. */
    take(max: number, at: number, until: number): T[] {
      showDue(at);
      const taken: T[] = [];
      let groupsTaken = 0;
      for (const group of ready) {
        if (taken.length >= max) break;
        groupsTaken += 1;
        taken.push(...group.messages.slice(0, max - taken.length));
      }
      ready = groupsTaken === 0 ? ready : ready.slice(groupsTaken);
      for (const message of taken) {
        message.visibleAt = until;
        hidden.add(message);
        const group = groups.get(keyOf(message));
        if (group !== undefined) group.hidden += 1;
      }
      if (taken.length > 0) nextDueAt = Math.min(nextDueAt, until);
      return taken;
    },

    hide(message: T, until: number, at: number): void {
      if (until > at) hide(message, until);
      else {
        message.visibleAt = until;
        show(message);
      }
    },

    remove(message: T): void {
      const group = groups.get(keyOf(message));
      if (group === undefined) return;
      leaveReady(group);
      if (hidden.delete(message)) group.hidden -= 1;
      const index = group.messages.indexOf(message);
      if (index !== -1) group.messages.splice(index, 1);
      if (group.messages.length === 0) groups.delete(group.key);
      else becomeReady(group);
    },

    clear(): void {
      groups.clear();
      hidden.clear();
      ready = [];
      nextDueAt = Infinity;
    },
  };
}

/** The first of `length` places, in their order, of which `isBefore` does not hold. */
function lowerBound(length: number, isBefore: (index: number) => boolean): number {
  let [from, to] = [0, length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (isBefore(middle)) from = middle + 1;
    else to = middle;
  }
  return from;
}
