/** First in, first out; what was taken out is not kept alive. Nothing in it is `undefined`. */
export interface Fifo<T> {
  push(item: T): void;
  /** Goes out first again. */
  unshift(item: T): void;
  peek(): T | undefined;
  shift(): T | undefined;
  readonly size: number;
}

/** `Array.shift` moves all that remain; here that happens once for this many. */
const COMPACT_AFTER = 256;

export function createFifo<T>(): Fifo<T> {
  let items: (T | undefined)[] = [];
  let head = 0;

  return {
    push(item) {
      items.push(item);
    },
    unshift(item) {
      if (head === 0) {
        items.unshift(item);
        return;
      }
      head -= 1;
      items[head] = item;
    },
    peek: () => items[head],
    shift() {
      const item = items[head];
      if (head < items.length) {
        items[head] = undefined;
        head += 1;
      }
      if (head === items.length || head >= COMPACT_AFTER) {
        items = items.slice(head);
        head = 0;
      }
      return item;
    },
    get size() {
      return items.length - head;
    },
  };
}
