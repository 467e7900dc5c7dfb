import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';

/** How often each thing came of it, in the order of their number: `200 × 12, 503 × 3`. */
export interface Outcomes {
  add(outcome: string | number): void;
  toString(): string;
}

export function createOutcomes(): Outcomes {
  const counts = new Map<string, number>();
  return {
    add: (outcome) => void counts.set(String(outcome), (counts.get(String(outcome)) ?? 0) + 1),
    toString: () =>
      [...counts]
        .toSorted(([, a], [, b]) => b - a)
        .map(([outcome, count]) => `${outcome} × ${count.toLocaleString('en-US')}`)
        .join(', '),
  };
}

/** Sends the same request again and again over `connections`, and reads the answers. */
export async function flood(
  url: string,
  options: {
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string | Buffer;
    readonly connections: number;
    readonly signal: AbortSignal;
    /** Between an answer and the next request, in milliseconds. */
    readonly pauseMs?: number;
  },
): Promise<Outcomes> {
  const { headers, body, connections, signal, pauseMs = 0 } = options;
  const outcomes = createOutcomes();
  const dispatcher = new Agent({ connections });
  async function ask(): Promise<void> {
    while (!signal.aborted) {
      try {
        const answer = await request(url, { method: 'POST', headers, body, signal, dispatcher });
        await answer.body.dump({ limit: 100_000_000, signal });
        outcomes.add(answer.statusCode);
      } catch (error) {
        if (signal.aborted) break;
        outcomes.add((error as { code?: string }).code ?? 'error');
      }
      if (pauseMs > 0) await sleep(pauseMs);
    }
  }
  await Promise.all(Array.from({ length: connections }, ask));
  await dispatcher.destroy();
  return outcomes;
}

/** A bare connection whose end is no news. */
export async function openSocket(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await new Promise((resolve) => {
    socket.once('connect', resolve).once('close', resolve);
  });
  return socket;
}
