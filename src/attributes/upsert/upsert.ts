import { coerceError } from '../../errors.ts';
import type { Logger } from '../../lib/logger.ts';
import type { PermissionCheck } from '../definitions/permission-check.ts';
import type { MapMetrics } from '../map-metrics.ts';
import type {
  AttributeUpdate,
  AttributeWriter,
  Fingerprints,
  FingerprintsOfImport,
} from '../ports.ts';
import { type BatchSize, createBatchSize } from './batch-size.ts';
import {
  type BatchWriter,
  createBatchWriter,
  notAttempted,
  WRITTEN,
  type WriteFate,
} from './batch-writer.ts';
import { createWriteWindow, type WindowItem } from './write-window.ts';

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
  /** Records per write at the start and at least, as far as the writer takes so many. */
  readonly batchSize: number;
  readonly minBatchSize: number;
  /** At most. Default: what the writer takes. */
  readonly maxBatchSize?: number | undefined;
  /** Of a whole write, in bytes. */
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
  /** @param bytes its size in a write, see `AttributeWriter.bytesOf`. */
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

/** The adaptive batch size is shared by all imports: it depends on Genesys, not on them. */
export function createUpserter(options: UpserterOptions): Upserter {
  const { log, metrics, writer } = options;
  const withinWriter = (updates: number) => Math.min(updates, writer.maxUpdates);
  const size = createBatchSize({
    start: withinWriter(options.batchSize),
    min: withinWriter(options.minBatchSize),
    max: withinWriter(options.maxBatchSize ?? Infinity),
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

function openRun(options: UpserterOptions, size: BatchSize, request: UpsertRequest): UpsertRun {
  const { maxInFlight } = options;
  const { dryRun, lingerMs, log, onSettled, signal, skipUnchanged } = request;
  const writer = createBatchWriter({ ...options, size, signal, log });
  const known = options.fingerprints.open((id) => window.isWriting(id));
  const window = createWriteWindow(
    {
      get maxUpdates() {
        return size.current;
      },
      maxBytes: options.maxBatchBytes - options.writer.envelopeBytes,
    },
    skipUnchanged,
  );
  let inFlight = 0;
  let isAsking = false;
  let finishing = false;
  let progress = Promise.withResolvers<void>();
  const linger = createLinger(lingerMs, () => pump(true));

  const isOver = () => signal.aborted || writer.failure !== undefined;
  const isFull = () => (inFlight > 0 || isAsking) && window.isFull;

  function close(items: readonly WindowItem[], fateOf: (index: number) => Fate): void {
    if (items.length === 0) return;
    onSettled(
      items.map(({ position, update }, index) => {
        return { position, id: update.id, fate: fateOf(index) };
      }),
    );
    window.close(items);
  }

  async function send(batch: readonly WindowItem[]): Promise<void> {
    const updates = batch.map(({ update }) => update);
    let fates: readonly WriteFate[] = [];
    try {
      fates = await writeAnnounced(updates, { known, writer, log, remember: skipUnchanged });
    } catch (error) {
      writer.stop(coerceError(error));
    }
    close(batch, (index) => fates[index] ?? notAttempted(writer.failure));
  }

  function noteProgress(flush = finishing): void {
    pump(finishing, flush);
    progress.resolve();
    progress = Promise.withResolvers();
  }

  async function dispatch(batch: readonly WindowItem[]): Promise<void> {
    inFlight += 1;
    await send(batch);
    inFlight -= 1;
    noteProgress();
  }

  async function ask(items: readonly WindowItem[], flush: boolean): Promise<void> {
    isAsking = true;
    let unchanged: ReadonlySet<AttributeUpdate> = new Set();
    try {
      unchanged = await known.unchanged(items.map(({ update }) => update));
    } catch (error) {
      writer.stop(coerceError(error));
    }
    isAsking = false;
    close(window.answer(unchanged), () => UNCHANGED);
    noteProgress(flush || finishing);
  }

  function pump(flush = finishing, flushQueue = flush): void {
    if (!isOver()) {
      const items = window.ask(flush);
      if (items.length > 0) void ask(items, flush);
    }
    while (inFlight < maxInFlight && !isOver()) {
      const batch = window.take(flushQueue);
      if (batch.length === 0) break;
      if (dryRun) close(batch, () => WRITTEN);
      else void dispatch(batch);
    }
    if (isOver() && (flushQueue || window.isFull)) {
      close(window.takeAll(), () => notAttempted(writer.failure));
    }
    linger.run(!window.isIdle);
  }

  return {
    add(position, update, bytes) {
      const superseded = window.add(position, update, bytes);
      if (superseded !== undefined) {
        const fate: Fate = { fate: 'superseded', by: position };
        onSettled([{ position: superseded, id: update.id, fate }]);
      } else if (window.hasBatch || window.isFull || linger.isDue) {
        pump();
      }
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
      while (!window.isEmpty) await progress.promise;
      known.close();
    },
    get failure() {
      return writer.failure;
    },
  };
}

async function writeAnnounced(
  updates: readonly AttributeUpdate[],
  {
    known,
    writer,
    log,
    remember,
  }: {
    known: FingerprintsOfImport;
    writer: BatchWriter;
    log: Logger;
    remember: boolean;
  },
): Promise<readonly WriteFate[]> {
  const settle = await known.announce(updates);
  const fates = await writer.write(updates);
  const written = updates.filter((_, index) => fates[index] === WRITTEN);
  await settle(remember ? written : []).catch((error: unknown) => {
    log.error({ err: error }, 'Fingerprints could not be kept');
  });
  return fates;
}

/** Ends the wait of what has waited for so long; without `ms` never. */
function createLinger(ms: number | undefined, end: () => void) {
  let timer: NodeJS.Timeout | undefined;
  return {
    /** Something waits, and no time runs. */
    get isDue() {
      return ms !== undefined && timer === undefined;
    },
    /** @param waits whether something does; else the time stops. */
    run(waits: boolean) {
      if (!waits) {
        clearTimeout(timer);
        timer = undefined;
      } else if (ms !== undefined) {
        timer ??= setTimeout(() => {
          timer = undefined;
          end();
        }, ms);
      }
    },
  };
}

const UNCHANGED: Fate = { fate: 'unchanged' };
