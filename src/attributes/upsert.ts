import { coerceError } from '../errors.ts';
import type { Logger } from '../lib/logger.ts';
import { type BatchSize, createBatchSize } from './batch-size.ts';
import { createBatchWriter, notAttempted, type WriteFate } from './batch-writer.ts';
import type { Fingerprints } from './fingerprints.ts';
import type { MapMetrics } from './map-metrics.ts';
import type { PermissionCheck } from './permission-check.ts';
import type { AttributeUpdate, AttributeWriter } from './ports.ts';

export type Fate =
  | WriteFate
  | { readonly fate: 'unchanged' }
  /** A later record of the same import has the same id: `by` is its position. */
  | { readonly fate: 'superseded'; readonly by: number };

export interface Settled {
  /** The caller's own number of the record. */
  readonly position: number;
  readonly id: string;
  readonly fate: Fate;
}

export interface UpserterOptions {
  readonly writer: AttributeWriter;
  readonly permissionCheck: Pick<PermissionCheck, 'forget'>;
  readonly fingerprints: Fingerprints;
  readonly metrics: MapMetrics;
  readonly log: Logger;
  /** Records per write at the start, at least, and at most 1000. */
  readonly batchSize: number;
  readonly minBatchSize: number;
  readonly maxBatchSize: number;
  /** Of the JSON body of a write. */
  readonly maxBatchBytes: number;
  /** Writes at once per import. */
  readonly maxInFlight: number;
  readonly targetLatencyMs: number;
}

export interface UpsertRequest {
  readonly orgId: string;
  readonly skipUnchanged: boolean;
  /** Everything but the write itself. */
  readonly dryRun: boolean;
  /** Ends the sending; what is in flight then has an unknown outcome. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** How long a record waits for a full batch, in milliseconds. Default: until `finish()`. */
  readonly lingerMs?: number;
  /** Called once per batch, and once per record that was superseded. Must not throw. */
  readonly onSettled: (settled: readonly Settled[]) => void;
}

/**
 * The writes of one import. Records wait in a window of about one batch; in it the last record of
 * an id wins. Two writes with the same id are never in flight at once, so later records win also
 * over those that were sent before. Every record that was added is settled exactly once.
 */
export interface UpsertRun {
  /** @param bytes its size in the JSON body of a write, see `updateBytes`. */
  add(position: number, update: AttributeUpdate, bytes: number): void;
  /** Adding more now would only grow the window: await `room()` first. */
  readonly full: boolean;
  room(): Promise<void>;
  /** Sends the rest; resolves when every record is settled. Never rejects. */
  finish(): Promise<void>;
  /** Why nothing is sent any more, when that is so. */
  readonly failure: Error | undefined;
}

export interface Upserter {
  /** The largest JSON body that is sent, in bytes. */
  readonly maxBatchBytes: number;
  readonly batchSize: number;
  open(request: UpsertRequest): UpsertRun;
}

/** The adaptive batch size is shared by all imports: it tells about Genesys, not about them. */
export function createUpserter(options: UpserterOptions): Upserter {
  const { log, metrics } = options;
  const size = createBatchSize({
    start: options.batchSize,
    min: options.minBatchSize,
    max: options.maxBatchSize,
    targetLatencyMs: options.targetLatencyMs,
    onChange(batchSize, reason) {
      metrics.batchSize(batchSize);
      log.info({ batchSize, reason }, 'Batch size of writes changed');
    },
  });
  metrics.batchSize(size.current);
  return {
    maxBatchBytes: options.maxBatchBytes,
    get batchSize() {
      return size.current;
    },
    open: (request) => openRun(options, size, request),
  };
}

interface Waiting {
  readonly position: number;
  readonly update: AttributeUpdate;
  readonly bytes: number;
  /** It differs from what its fingerprint says. */
  changed?: boolean;
}

function openRun(options: UpserterOptions, size: BatchSize, request: UpsertRequest): UpsertRun {
  const { fingerprints, maxBatchBytes, maxInFlight } = options;
  const { dryRun, lingerMs, log, onSettled, orgId, signal, skipUnchanged } = request;
  const writer = createBatchWriter({ ...options, size, signal, log });
  const waiting = new Map<string, Waiting>();
  const writing = new Set<string>();
  let waitingBytes = 0;
  let inFlight = 0;
  let finishing = false;
  let linger: NodeJS.Timeout | undefined;
  let progress = Promise.withResolvers<void>();

  const isBatchWaiting = () => waiting.size >= size.current || waitingBytes >= maxBatchBytes;

  function settle(items: readonly Waiting[], fates: readonly Fate[]): void {
    if (items.length === 0) return;
    onSettled(
      items.map(({ position, update }, index) => {
        const fate = fates[index] ?? notAttempted(writer.failure);
        return { position, id: update.id, fate };
      }),
    );
  }

  function remove(item: Waiting): void {
    waiting.delete(item.update.id);
    waitingBytes -= item.bytes;
  }

  /** The next batch; empty when what waits is not enough for one, or is in flight already. */
  function take(flush: boolean): Waiting[] {
    const batch: Waiting[] = [];
    if (!flush && !isBatchWaiting()) return batch;
    const unchanged: Waiting[] = [];
    let bytes = 0;
    for (const item of waiting.values()) {
      if (writing.has(item.update.id)) continue;
      if (batch.length > 0 && bytes + item.bytes > maxBatchBytes) break;
      remove(item);
      if (skipUnchanged && item.changed !== true && fingerprints.has(orgId, item.update)) {
        unchanged.push(item);
        continue;
      }
      item.changed = true;
      bytes += item.bytes;
      batch.push(item);
      if (batch.length >= size.current) break;
    }
    settle(
      unchanged,
      unchanged.map(() => ({ fate: 'unchanged' })),
    );
    if (flush || unchanged.length === 0 || batch.length >= size.current) return batch;
    // What is left over is no full batch: it waits for more.
    for (const item of batch) put(item);
    return [];
  }

  function put(item: Waiting): void {
    waiting.set(item.update.id, item);
    waitingBytes += item.bytes;
  }

  async function send(batch: readonly Waiting[]): Promise<void> {
    const updates = batch.map(({ update }) => update);
    let fates: WriteFate[] = [];
    try {
      const announcement = fingerprints.announce(orgId, updates);
      fates = await writer.write(updates);
      const written = updates.filter((_, index) => fates[index]?.fate === 'written');
      announcement.settle(skipUnchanged ? written : []);
    } catch (error) {
      if (fates.length === 0) writer.stop(coerceError(error));
      log.error({ err: error }, 'Fingerprints could not be kept');
    }
    settle(batch, fates);
  }

  async function dispatch(batch: readonly Waiting[]): Promise<void> {
    inFlight += 1;
    for (const { update } of batch) writing.add(update.id);
    await send(batch);
    inFlight -= 1;
    for (const { update } of batch) writing.delete(update.id);
    pump();
    progress.resolve();
    progress = Promise.withResolvers();
  }

  function pump(flush = finishing): void {
    while (inFlight < maxInFlight && writer.failure === undefined && !signal.aborted) {
      let batch: Waiting[] = [];
      try {
        batch = take(flush);
      } catch (error) {
        writer.stop(coerceError(error));
      }
      if (batch.length === 0) break;
      if (dryRun) {
        settle(
          batch,
          batch.map(() => ({ fate: 'written' })),
        );
        continue;
      }
      void dispatch(batch);
    }
    if ((signal.aborted || writer.failure !== undefined) && (flush || isBatchWaiting())) {
      const rest = [...waiting.values()];
      waiting.clear();
      waitingBytes = 0;
      settle(rest, []);
    }
    if (waiting.size === 0) {
      clearTimeout(linger);
      linger = undefined;
    } else if (lingerMs !== undefined) {
      linger ??= setTimeout(() => {
        linger = undefined;
        pump(true);
      }, lingerMs);
    }
  }

  const isFull = () => inFlight > 0 && isBatchWaiting();
  const isBusy = () => inFlight > 0 || waiting.size > 0;
  return {
    add(position, update, bytes) {
      const earlier = waiting.get(update.id);
      if (earlier !== undefined) {
        remove(earlier);
        settle([earlier], [{ fate: 'superseded', by: position }]);
      }
      put({ position, update, bytes });
      pump();
    },
    get full() {
      return isFull();
    },
    async room() {
      while (isFull()) await progress.promise;
    },
    async finish() {
      finishing = true;
      pump();
      while (isBusy()) await progress.promise;
    },
    get failure() {
      return writer.failure;
    },
  };
}
