import { hash } from 'node:crypto';
import type { AttributeUpdate, Fingerprints } from '../../attributes/ports.ts';
import { BridgeError, UpstreamError } from '../../errors.ts';
import { splitIntoBatches } from '../../lib/batches.ts';
import type { AwsConnectionOptions } from '../sdk/connection.ts';
import { type Announced, createFingerprintItems, textOf } from './fingerprint-items.ts';
import { patiently } from './patiently.ts';

export interface FingerprintTableOptions extends AwsConnectionOptions {
  readonly table: string;
  /** So many records could not be asked about, announced or remembered. */
  readonly onFailure: (
    error: UpstreamError,
    operation: FingerprintOperation,
    records: number,
  ) => void;
  /** Epoch milliseconds. */
  readonly now?: (() => number) | undefined;
  /** What is not done after so long, is not done, in milliseconds. Default 10,000. */
  readonly patienceMs?: number | undefined;
}

export type FingerprintOperation = 'ask' | 'announce' | 'settle';

export interface FingerprintTable extends Fingerprints {
  /** Whether the table is there, is ours, and may be read and written; changes nothing. */
  check(signal?: AbortSignal): Promise<void>;
}

/** BatchGetItem's limit. */
const MAX_KEYS = 100;

/**
 * Fingerprints in a DynamoDB table, for any number of processes: those of all that write these
 * attributes. What cannot be asked is not known, and what cannot be remembered is forgotten; only
 * what cannot be announced must not be written.
 */
export function createFingerprintTable(options: FingerprintTableOptions): FingerprintTable {
  const { table, onFailure, now = Date.now, patienceMs = 10_000 } = options;
  const items = createFingerprintItems({ ...options, now, patienceMs });

  async function unchanged(updates: readonly AttributeUpdate[]) {
    const byKey = new Map(updates.map((update) => [textOf(keyOf(update)), update]));
    const batches = splitIntoBatches(updates, {
      maxItems: MAX_KEYS,
      maxBytes: Infinity,
      bytesOf: () => 0,
    });
    const known = new Set<AttributeUpdate>();
    await Promise.all(
      batches.map(async (batch) => {
        const { found, failure, missing } = await items.read(batch.map(keyOf));
        for (const [key, value] of found) {
          const update = byKey.get(key);
          if (update !== undefined && Buffer.compare(valueOf(update), value) === 0) {
            known.add(update);
          }
        }
        if (failure !== undefined) onFailure(failure, 'ask', missing);
      }),
    );
    return known;
  }

  /** One call for each, because DynamoDB has no batches of such updates; as many at once as there are sockets; a failed one again and again. */
  async function each<T>(
    items: readonly T[],
    operation: FingerprintOperation,
    patience: number,
    work: (item: T) => Promise<void>,
  ): Promise<UpstreamError | undefined> {
    let pending = [...items];
    const failure = await patiently(patience, async () => {
      const next = pending.values();
      const failed: T[] = [];
      let first: UpstreamError | undefined;
      const lane = async () => {
        for (const item of next) {
          try {
            // Throttling is of some items; any other failure would be of all.
            if (first?.throttled === false) failed.push(item);
            else await work(item);
          } catch (error) {
            if (!(error instanceof UpstreamError)) throw error;
            if (first === undefined || !error.throttled) first = error;
            failed.push(item);
          }
        }
      };
      await Promise.all(Array.from({ length: options.maxSockets }, lane));
      pending = failed;
      return first;
    });
    if (failure !== undefined) onFailure(failure, operation, pending.length);
    return failure;
  }

  return {
    open: () => ({
      unchanged,
      async announce(updates) {
        const me = items.newWrite();
        const announced = new Map<AttributeUpdate, Announced>();
        const end = (known: ReadonlySet<AttributeUpdate>, patience: number) =>
          each([...announced], 'settle', patience, ([update, one]) =>
            items.settle(one, me, known.has(update) ? valueOf(update) : undefined),
          );
        const failure = await each(updates, 'announce', patienceMs, async (update) => {
          announced.set(update, await items.announce(keyOf(update), me));
        });
        if (failure !== undefined) {
          await end(new Set(), 0);
          throw unavailable(table, failure);
        }
        return async (confirmed) => {
          const notKept = await end(new Set(confirmed), patienceMs);
          if (notKept !== undefined) throw unavailable(table, notKept);
        };
      },
      close: () => undefined,
    }),

    check: (signal) => items.check(signal),
    close: () => items.close(),
  };
}

function unavailable(table: string, cause: UpstreamError): BridgeError {
  return new BridgeError(
    `The fingerprint table "${table}" of DynamoDB cannot be used, and without it a later skipUnchanged could leave out what has to be written (${cause.message})`,
    { code: 'fingerprints_unavailable', kind: 'systemic', cause },
  );
}

function keyOf({ id }: AttributeUpdate): Uint8Array {
  return shortHash(id);
}

function valueOf({ attributes }: AttributeUpdate): Uint8Array {
  return shortHash(JSON.stringify([...attributes]));
}

function shortHash(text: string): Uint8Array {
  return hash('sha256', text, 'buffer').subarray(0, 16);
}
