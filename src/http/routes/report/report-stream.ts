import type { ReportProgress, UsageReport } from '../../../attributes/report/usage-reports.ts';
import { describeError, problemBody, problemOf } from '../../problem-of-error.ts';
import type { Call } from '../../route.ts';

export interface ReportStreamOptions {
  /** Makes the report and tells how far it is. */
  readonly run: (onProgress: (progress: ReportProgress) => void) => Promise<UsageReport>;
  readonly body: (report: UsageReport) => object;
  /** A comment goes out when nothing else did for so long, in milliseconds. */
  readonly heartbeatMs: number;
  /** Progress is told at most this often, in milliseconds. */
  readonly progressEveryMs: number;
}

/**
 * Server-sent events for callers that wait long: `progress`, then `result` or `error`, and the
 * stream ends. What fails before the first of them is an ordinary answer with its own status.
 */
export async function streamReport(call: Call, options: ReportStreamOptions): Promise<void> {
  const { response } = call;
  let toldAtMs = -Infinity;
  let untold: ReportProgress | undefined;

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

  function tellProgress(): void {
    if (untold === undefined) return;
    toldAtMs = performance.now();
    event('progress', untold);
    untold = undefined;
  }

  const heartbeat = setInterval(() => write(': waiting\n\n'), options.heartbeatMs);
  try {
    const report = await options.run((progress) => {
      untold = progress;
      const isDue = performance.now() - toldAtMs >= options.progressEveryMs;
      if (isDue && !response.writableNeedDrain && !call.signal.aborted) tellProgress();
    });
    tellProgress();
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
