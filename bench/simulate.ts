// POST /simulate of one event against the same request answered without simulating, and against
// the bare pipeline function. The server is a process of its own; its CPU time is what counts, for
// the difference is far below the noise of a socket.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Pool } from 'undici';
import { profileArguments } from './profile.ts';
import { type BenchResult, median } from './result.ts';

/** `requests`: of one kind in a round. */
const SIZES = { full: { rounds: 15, requests: 2000 }, quick: { rounds: 1, requests: 200 } };
const AT_ONCE = 4;

export async function run(quick: boolean): Promise<BenchResult> {
  const { rounds, requests } = SIZES[quick ? 'quick' : 'full'];
  const server = fork(new URL('./simulate-server.ts', import.meta.url), {
    execArgv: [...profileArguments],
  });
  const port = await next(server);
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: AT_ONCE });
  const measure = async (path: string): Promise<number> => {
    const before = await ask(server, 'cpu');
    await post(pool, path, requests);
    return ((await ask(server, 'cpu')) - before) / requests;
  };
  const alone: number[] = [];
  const plain: number[] = [];
  const bare: number[] = [];
  const simulated: number[] = [];
  try {
    // The first round warms up.
    for (let round = 0; round <= rounds; round += 1) {
      const function1 = await ask(server, 'pipeline');
      const reference = await measure('/reference');
      const piped = (await measure('/bare')) - reference;
      const real = (await measure('/simulate')) - reference;
      if (round === 0) continue;
      alone.push(function1);
      plain.push(reference);
      bare.push(piped);
      simulated.push(real);
    }
  } finally {
    await pool.close();
    server.disconnect();
    await once(server, 'exit');
  }
  return {
    bench: 'simulate',
    rows: [
      { name: 'bare pipeline function, in a loop', unit: 'µs', values: alone },
      { name: 'a request without either', unit: 'µs CPU', values: plain },
      { name: 'the bare pipeline function adds', unit: 'µs CPU', values: bare },
      {
        name: 'POST /simulate adds',
        unit: 'µs CPU',
        values: simulated,
        ratio: {
          to: 'bare in a request',
          value: median(simulated) / median(bare),
          goal: 'under 2',
        },
      },
    ],
    notes: [
      `${rounds} interleaved rounds of ${requests} requests, ${AT_ONCE} at a time; one event, one answer with its trace`,
      'the other requests have the same body, and an answer of the same length that is ready as text',
      'between requests the pipeline is cold: there it costs several times what it does in a loop',
    ],
  };
}

async function post(pool: Pool, path: string, requests: number): Promise<void> {
  let left = requests;
  const body = JSON.stringify({ type: 'voice', priority: 'high' });
  const work = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const answer = await pool.request({
        path,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      await answer.body.dump();
      if (answer.statusCode !== 200) throw new Error(`${path} answered ${answer.statusCode}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

async function ask(server: ChildProcess, question: 'cpu' | 'pipeline'): Promise<number> {
  server.send(question);
  return next(server);
}

async function next(server: ChildProcess): Promise<number> {
  const [value] = (await once(server, 'message')) as [number];
  return value;
}
