import type { Dispatcher } from 'undici';
import { onAbort } from '../../lib/on-abort.ts';

export interface Answer {
  readonly statusCode: number;
  /** Of one that came more than once, all, with commas. */
  readonly headers: Record<string, string>;
  readonly text: string;
}

/**
 * One request and its whole answer. undici's own `request` makes a stream of each answer, which
 * costs as much again.
 *
 * @throws undici's errors, and the signal's reason.
 */
export function exchange(
  dispatcher: Dispatcher,
  request: Dispatcher.DispatchOptions,
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let answer: Omit<Answer, 'text'> = { statusCode: 0, headers: {} };
    let forget = (): void => undefined;
    dispatcher.dispatch(request, {
      onRequestStart(controller) {
        const cancel = () => controller.abort(asError(signal.reason));
        // Given up while it waited for a socket: it is not sent.
        if (signal.aborted) cancel();
        else forget = onAbort(signal, cancel);
      },
      onResponseStart(_, statusCode, headers) {
        answer = { statusCode, headers: joined(headers) };
      },
      onResponseData(_, chunk) {
        chunks.push(chunk);
      },
      onResponseEnd() {
        forget();
        const [first] = chunks;
        const whole = first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks);
        resolve({ ...answer, text: whole.toString() });
      },
      onResponseError(_, error) {
        forget();
        reject(error);
      },
    });
  });
}

function joined(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [name, value = ''] of Object.entries(headers)) {
    texts[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return texts;
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new DOMException(String(reason), 'AbortError');
}
