const CHUNK_IDS = 4096;
const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/;

/**
 * Any number of ids in the order in which they came, for audits of millions of events: a UUID
 * takes 16 bytes here, anything else a string.
 */
export interface IdList {
  add(id: string): void;
  readonly length: number;
  [Symbol.iterator](): Iterator<string>;
  clear(): void;
}

export function createIdList(): IdList {
  let chunks: Buffer[] = [];
  let others = new Map<number, string>();
  let length = 0;

  return {
    add(id) {
      const place = length % CHUNK_IDS;
      if (place === 0) chunks.push(Buffer.allocUnsafe(CHUNK_IDS * 16));
      if (UUID.test(id)) chunks.at(-1)?.write(id.replaceAll('-', ''), place * 16, 'hex');
      else others.set(length, id);
      length += 1;
    },
    get length() {
      return length;
    },
    *[Symbol.iterator]() {
      for (let index = 0; index < length; index += 1) {
        const at = (index % CHUNK_IDS) * 16;
        const hex = chunks[Math.floor(index / CHUNK_IDS)]?.toString('hex', at, at + 16) ?? '';
        yield others.get(index) ??
          `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
      }
    },
    clear() {
      chunks = [];
      others = new Map();
      length = 0;
    },
  };
}
