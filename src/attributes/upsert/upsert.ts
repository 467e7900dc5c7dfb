import { coerceError } from '../../errors.ts';
import type { Logger } from '../../lib/logger.ts';
import type { PermissionCheck } from '../definitions/permission-check.ts';
import type { MapMetrics } from '../map-metrics.ts';
import type { AttributeUpdate, AttributeWriter } from '../ports.ts';
import { ENVELOPE_BYTES } from '../update-size.ts';
import { type BatchSize, createBatchSize } from './batch-size.ts';
import { createBatchWriter, notAttempted, WRITTEN, type WriteFate } from './batch-writer.ts';
import type { Fingerprints } from './fingerprints.ts';

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
    open: (request) => openRun(options, size, request),
  };
}

interface Item {
  position: number;
  update: AttributeUpdate;
  bytes: number;
  /** It is known to differ from its fingerprint. */
  changed: boolean;
  isWriting: boolean;
  /** Has the same id and came while this one was being written. */
  next: Item | undefined;
}

function openRun(options: UpserterOptions, size: BatchSize, request: UpsertRequest): UpsertRun {
  const { maxInFlight } = options;
  const maxBytes = options.maxBatchBytes - ENVELOPE_BYTES;
  const { dryRun, lingerMs, log, onSettled, signal, skipUnchanged } = request;
  const writer = createBatchWriter({ ...options, size, signal, log });
  /** What is not settled, by id: the one that is written now, or else the one in the queue. */
  const open = new Map<string, Item>();
  const known = options.fingerprints.open((id) => open.get(id)?.isWriting === true);
  let queue: Item[] = [];
  let queuedBytes = 0;
  /** Those that wait behind a write of their own id. */
  let blocked = 0;
  let blockedBytes = 0;
  let inFlight = 0;
  let finishing = false;
  let linger: NodeJS.Timeout | undefined;
  let progress = Promise.withResolvers<void>();

  const isBatchQueued = () => queue.length >= size.current || queuedBytes >= maxBytes;
  const isFull = () =>
    inFlight > 0 &&
    (queue.length + blocked >= size.current || queuedBytes + blockedBytes >= maxBytes);
  const isBusy = () => open.size > 0;

  function settle(items: readonly Item[], fateOf: (index: number) => Fate): void {
    if (items.length === 0) return;
    onSettled(
      items.map(({ position, update }, index) => {
        return { position, id: update.id, fate: fateOf(index) };
      }),
    );
  }

  function enqueue(item: Item): void {
    queue.push(item);
    queuedBytes += item.bytes;
  }

  /** The item is settled: what waited behind it is next. */
  function close(item: Item): void {
    const { next, update } = item;
    if (next === undefined) {
      open.delete(update.id);
      return;
    }
    blocked -= 1;
    blockedBytes -= next.bytes;
    open.set(update.id, next);
    enqueue(next);
  }

  function closeAll(items: readonly Item[], fateOf: (index: number) => Fate): void {
    settle(items, fateOf);
    for (const item of items) close(item);
  }

  /** The next batch; empty when what is queued is not enough for one. */
  function take(flush: boolean): Item[] {
    const batch: Item[] = [];
    if (!flush && !isBatchQueued()) return batch;
    const unchanged: Item[] = [];
    let bytes = 0;
    let taken = 0;
    for (const item of queue) {
      if (batch.length >= size.current) break;
      if (batch.length > 0 && bytes + item.bytes > maxBytes) break;
      taken += 1;
      queuedBytes -= item.bytes;
      if (skipUnchanged && !item.changed && known.has(item.update)) {
        unchanged.push(item);
      } else {
        item.changed = true;
        bytes += item.bytes;
        batch.push(item);
      }
    }
    queue = queue.slice(taken);
    closeAll(unchanged, () => UNCHANGED);
    if (flush || unchanged.length === 0 || batch.length >= size.current) return batch;
    // What is left over is no full batch: it waits for more.
    for (const item of batch) enqueue(item);
    return [];
  }

  async function send(batch: readonly Item[]): Promise<void> {
    const updates = batch.map(({ update }) => update);
    let fates: WriteFate[] = [];
    try {
      known.announce(updates);
      for (const item of batch) item.isWriting = true;
      fates = await writer.write(updates);
      known.settle(
        updates,
        skipUnchanged ? updates.filter((_, index) => fates[index] === WRITTEN) : [],
      );
    } catch (error) {
      if (fates.length === 0) writer.stop(coerceError(error));
      log.error({ err: error }, 'Fingerprints could not be kept');
    }
    closeAll(batch, (index) => fates[index] ?? notAttempted(writer.failure));
  }

  async function dispatch(batch: readonly Item[]): Promise<void> {
    inFlight += 1;
    await send(batch);
    inFlight -= 1;
    pump();
    progress.resolve();
    progress = Promise.withResolvers();
  }

  function pump(flush = finishing): void {
    while (inFlight < maxInFlight && writer.failure === undefined && !signal.aborted) {
      let batch: Item[] = [];
      try {
        batch = take(flush);
      } catch (error) {
        writer.stop(coerceError(error));
      }
      if (batch.length === 0) break;
      if (dryRun) closeAll(batch, () => WRITTEN);
      else void dispatch(batch);
    }
    if ((signal.aborted || writer.failure !== undefined) && (flush || isBatchQueued())) {
      const rest = queue;
      queue = [];
      queuedBytes = 0;
      closeAll(rest, () => notAttempted(writer.failure));
    }
    if (queue.length === 0) {
      clearTimeout(linger);
      linger = undefined;
    } else if (lingerMs !== undefined) {
      linger ??= setTimeout(() => {
        linger = undefined;
        pump(true);
      }, lingerMs);
    }
  }

  return {
    add(position, update, bytes) {
      const first = open.get(update.id);
      const earlier = first?.isWriting === true ? first.next : first;
      if (earlier !== undefined) {
        settle([earlier], () => ({ fate: 'superseded', by: position }));
        if (earlier === first) queuedBytes += bytes - earlier.bytes;
        else blockedBytes += bytes - earlier.bytes;
        Object.assign(earlier, { position, update, bytes, changed: false });
        return;
      }
      const item = { position, update, bytes, changed: false, isWriting: false, next: undefined };
      if (first !== undefined) {
        first.next = item;
        blocked += 1;
        blockedBytes += bytes;
        return;
      }
      open.set(update.id, item);
      enqueue(item);
      if (isBatchQueued() || (lingerMs !== undefined && linger === undefined)) pump();
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
      known.close();
    },
    get failure() {
      return writer.failure;
    },
  };
}

const UNCHANGED: Fate = { fate: 'unchanged' };
