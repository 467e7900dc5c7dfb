/**
 * A queue that nobody can fill for the others: classes by weight, the callers of a class in turn, and
 * first come, first served only within one caller. Each step costs the same however long it is.
 *
 * As long as somebody waits in a class, it gets at least its weight's share of the turns.
 */
export interface FairQueue<Class extends string, T> {
  /** @returns takes it out again; does nothing once it has had its turn. */
  add(item: T, name: Class, caller: string): () => void;
  /** Whether anybody waits in a class that may go. */
  some(mayGo: (name: Class) => boolean): boolean;
  /** The next one of the classes that may go; it leaves the queue. */
  shift(mayGo: (name: Class) => boolean): T | undefined;
  readonly size: number;
}

interface Line<Class, T> {
  readonly name: Class;
  readonly weight: number;
  /** What it is owed; all of those that wait add up to about nothing. */
  credit: number;
  /** Whose turn it is comes first. */
  readonly turns: LinkedList<Caller<T>>;
  readonly callers: Map<string, Caller<T>>;
}

interface Caller<T> {
  readonly name: string;
  /** Never empty: who has nothing left leaves its class. */
  readonly items: LinkedList<T>;
  leave: () => unknown;
}

/** @param weights by class, positive. */
export function createFairQueue<Class extends string, T>(
  weights: Readonly<Record<Class, number>>,
): FairQueue<Class, T> {
  const lines = Object.fromEntries(
    (Object.entries(weights) as [Class, number][]).map(([name, weight]) => [
      name,
      { name, weight, credit: 0, turns: createLinkedList(), callers: new Map() },
    ]),
  ) as unknown as Record<Class, Line<Class, T>>;
  const all = Object.values<Line<Class, T>>(lines);
  let size = 0;

  function openCaller(line: Line<Class, T>, name: string): Caller<T> {
    const caller: Caller<T> = { name, items: createLinkedList(), leave: () => undefined };
    line.callers.set(name, caller);
    caller.leave = line.turns.push(caller);
    return caller;
  }

  /** The smooth weighted round robin of nginx: what is due soonest, and never two bursts. */
  function nextLine(mayGo: (name: Class) => boolean): Line<Class, T> | undefined {
    let best: Line<Class, T> | undefined;
    let total = 0;
    for (const line of all) {
      if (line.callers.size === 0) line.credit = 0;
      if (line.callers.size === 0 || !mayGo(line.name)) continue;
      line.credit += line.weight;
      total += line.weight;
      if (best === undefined || line.credit > best.credit) best = line;
    }
    if (best !== undefined) best.credit -= total;
    return best;
  }

  return {
    add(item, name, callerName) {
      const line = lines[name];
      const caller = line.callers.get(callerName) ?? openCaller(line, callerName);
      const remove = caller.items.push(item);
      size += 1;
      return () => {
        if (!remove()) return;
        size -= 1;
        if (!caller.items.isEmpty) return;
        caller.leave();
        line.callers.delete(callerName);
      };
    },
    some: (mayGo) => all.some((line) => line.callers.size > 0 && mayGo(line.name)),
    shift(mayGo) {
      const line = nextLine(mayGo);
      const caller = line?.turns.shift();
      if (line === undefined || caller === undefined) return undefined;
      const item = caller.items.shift();
      size -= 1;
      if (caller.items.isEmpty) line.callers.delete(caller.name);
      else caller.leave = line.turns.push(caller);
      return item;
    },
    get size() {
      return size;
    },
  };
}

/** First in, first out, and out from anywhere in between. */
interface LinkedList<T> {
  /** @returns takes it out; whether it was still there. */
  push(item: T): () => boolean;
  shift(): T | undefined;
  readonly isEmpty: boolean;
}

interface Link<T> {
  readonly item: T | undefined;
  before: Link<T>;
  after: Link<T>;
}

function createLinkedList<T>(): LinkedList<T> {
  // A ring that begins and ends here.
  const anchor = { item: undefined } as Link<T>;
  anchor.before = anchor;
  anchor.after = anchor;

  function unlink(link: Link<T>): boolean {
    if (link.after === link) return false;
    link.before.after = link.after;
    link.after.before = link.before;
    link.before = link;
    link.after = link;
    return true;
  }

  return {
    push(item) {
      const link: Link<T> = { item, before: anchor.before, after: anchor };
      anchor.before.after = link;
      anchor.before = link;
      return () => unlink(link);
    },
    shift() {
      const { after } = anchor;
      unlink(after);
      return after.item;
    },
    get isEmpty() {
      return anchor.after === anchor;
    },
  };
}
