import type { ReportProgress, UsageReport } from '../../../attributes/report/usage-reports.ts';
import { describeError, problemBody, problemOf } from '../../problem-of-error.ts';
import type { Call } from '../../route.ts';

export interface ReportStreamOptions {
  /** Makes the report and says how far it is. */
  readonly run: (onProgress: (progress: ReportProgress) => void) => Promise<UsageReport>;
  readonly body: (report: UsageReport) => object;
  readonly period: (report: UsageReport) => object;
  /** A comment goes out when nothing else did for so long, in milliseconds. */
  readonly heartbeatMs: number;
  /** Progress is sent at most this often, in milliseconds. */
  readonly progressEveryMs: number;
}

/**
 * Server-sent events for callers that wait long: `progress`, then `period` and `result`, or
 * `error`, and the stream ends. What fails before the first of them is an ordinary answer with its own status.
 */
export async function streamReport(call: Call, options: ReportStreamOptions): Promise<void> {
  const { response } = call;
  let sentAtMs = -Infinity;
  let pending: ReportProgress | undefined;

  function write(text: string): void {
    if (!response.headersSent) {
      response.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'private, no-store, no-transform',
        vary: 'Accept',
        // nginx would collect the events.
        'x-accel-buffering': 'no',
      });
    }
    heartbeat.refresh();
    response.write(text);
  }

  function event(name: string, data: object): void {
    write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  function sendProgress(): void {
    if (pending === undefined) return;
    sentAtMs = performance.now();
    event('progress', pending);
    pending = undefined;
  }

  const heartbeat = setInterval(() => write(': waiting\n\n'), options.heartbeatMs);
  try {
    const report = await options.run((progress) => {
      pending = progress;
      const isDue = performance.now() - sentAtMs >= options.progressEveryMs;
      if (isDue && !response.writableNeedDrain && !call.signal.aborted) sendProgress();
    });
    sendProgress();
    event('period', options.period(report));
    event('result', options.body(report));
    response.end();
  } catch (error) {
    if (!response.headersSent || response.destroyed) throw error;
    call.log.warn({ error: describeError(error) }, 'The report failed while it was streamed');
    event('error', problemBody(problemOf(error), { requestId: call.requestId }));
    response.end();
  } finally {
    clearInterval(heartbeat);
  }
}
