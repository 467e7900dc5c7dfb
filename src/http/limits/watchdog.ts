import type { Exchange } from '../exchange.ts';
import { Problem } from '../problem.ts';

/** An answer must flow at least this fast, in bytes per millisecond, once it stalls. */
const SLOWEST_BYTES_PER_MS = 64;

/**
 * Finds callers that hold a connection open and do nothing: a streamed body that falls silent
 * while we would read, an answer that is not taken. One timer for all requests.
 */
export interface Watchdog {
  watch(exchange: Exchange): void;
  start(): void;
  stop(): void;
}

interface Watched {
  readonly exchange: Exchange;
  bytesRead: number;
  heardAtMs: number;
  queued: number;
  stalledAtMs: number;
  expired: boolean;
}

export function createWatchdog(options: {
  /** Longest silence of a streamed body, and grace for an answer, in milliseconds. */
  readonly silenceMs: number;
  /** The exchange's signal was aborted with this problem; answer it if nothing was answered. */
  readonly onExpired: (exchange: Exchange, problem: Problem) => void;
}): Watchdog {
  const { silenceMs, onExpired } = options;
  const all = new Set<Watched>();
  const everyMs = Math.max(10, Math.min(1000, silenceMs / 4));
  let timer: NodeJS.Timeout | undefined;
  let checkedAtMs = 0;

  function check(): void {
    const nowMs = performance.now();
    // While our own event loop stood still, nobody could be heard: that is not their silence.
    const deafMs = Math.max(0, nowMs - checkedAtMs - everyMs);
    checkedAtMs = nowMs;
    for (const watched of all) {
      if (watched.expired) continue;
      watched.heardAtMs += deafMs;
      watched.stalledAtMs += deafMs;
      const { bytesRead } = watched;
      if (senderIsSilent(watched, nowMs)) {
        expire(
          watched,
          new Problem(408, 'body_timeout', `The body was silent for ${silenceMs} ms.`, {
            headers: { connection: 'close' },
          }),
        );
      } else if (watched.bytesRead !== bytesRead) {
        // Many callers send everything before they read.
        watched.stalledAtMs = nowMs;
      } else if (readerIsStuck(watched, nowMs)) {
        expire(watched, new Problem(408, 'answer_not_read', 'The answer was not read in time.'));
        watched.exchange.response.destroy();
      }
    }
  }

  function senderIsSilent(watched: Watched, nowMs: number): boolean {
    const { request, streaming, socket } = watched.exchange;
    const { bytesRead } = socket;
    // A full buffer means that it is us who do not read.
    const weRead = request.readableLength < request.readableHighWaterMark;
    if (!streaming || request.complete || !weRead || bytesRead !== watched.bytesRead) {
      watched.bytesRead = bytesRead;
      watched.heardAtMs = nowMs;
      return false;
    }
    return nowMs - watched.heardAtMs >= silenceMs;
  }

  function readerIsStuck(watched: Watched, nowMs: number): boolean {
    const queued = watched.exchange.response.writableLength;
    if (queued === 0 || queued < watched.queued || watched.queued === 0) {
      watched.queued = queued;
      watched.stalledAtMs = nowMs;
      return false;
    }
    // More was queued meanwhile: that is not progress of the reader.
    return nowMs - watched.stalledAtMs >= silenceMs + watched.queued / SLOWEST_BYTES_PER_MS;
  }

  function expire(watched: Watched, problem: Problem): void {
    watched.expired = true;
    watched.exchange.abort.abort(problem);
    onExpired(watched.exchange, problem);
  }

  return {
    watch(exchange) {
      const nowMs = performance.now();
      const { bytesRead } = exchange.socket;
      const watched: Watched = {
        exchange,
        bytesRead,
        heardAtMs: nowMs,
        queued: 0,
        stalledAtMs: nowMs,
        expired: false,
      };
      all.add(watched);
      exchange.response.once('close', () => all.delete(watched));
    },
    start() {
      checkedAtMs = performance.now();
      timer ??= setInterval(check, everyMs).unref();
    },
    stop() {
      clearInterval(timer);
      timer = undefined;
    },
  };
}
