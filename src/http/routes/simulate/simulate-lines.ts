import type { Simulation } from '../../../events/simulation/simulate.ts';
import type { Simulator } from '../../../events/simulation/simulator.ts';
import { createSimulationTally } from '../../../events/simulation/tally.ts';
import { createJsonLinesParser, type JsonLine } from '../../../lib/json/json-lines.ts';
import { describeError, problemOf } from '../../problem-of-error.ts';
import type { Call } from '../../route.ts';
import { ndjson } from '../ndjson.ts';
import { bodyOf, reportOf } from './simulate-answer.ts';

/** Simulations between two looks at the other requests. */
export const TURN = 50;

/**
 * Answers line by line. A line is an event or a list of events, as in the stream that the worker
 * reads. The last line has the counts, and says whether all was simulated.
 */
export async function simulateLines(
  { simulator, maxLineBytes }: { readonly simulator: Simulator; readonly maxLineBytes: number },
  call: Call,
  stream: AsyncIterable<Uint8Array>,
): Promise<undefined> {
  const { response } = call;
  const answer = ndjson(call);
  const parser = createJsonLinesParser({ maxLineBytes });
  const tally = createSimulationTally();

  const write = async (line: number, simulated: Simulation): Promise<void> => {
    tally.add(simulated);
    answer.write([bodyOf(simulated, { line })]);
    await answer.drained();
  };
  const simulateLine = async (line: JsonLine): Promise<void> => {
    if (!line.ok) {
      await write(line.line, simulator.runUnreadable(line.text, `The line is ${line.reason}`));
      return;
    }
    const events: readonly unknown[] = Array.isArray(line.value) ? line.value : [line.value];
    for (const [index, event] of events.entries()) {
      if (index % TURN === TURN - 1) await call.turn();
      await write(line.line, await simulator.run(event));
    }
  };

  try {
    for await (const chunk of stream) {
      for (const line of parser.push(chunk)) await simulateLine(line);
    }
    for (const line of parser.end(true)) await simulateLine(line);
  } catch (error) {
    // Before the first line it is an ordinary answer with its own status.
    if (!response.headersSent || response.destroyed) throw error;
    call.log.warn({ error: describeError(error) }, 'The simulation of lines was cut off');
    const { code, message } = problemOf(error);
    answer.end({ status: 'cut', error: message, code, ...reportOf(simulator, tally) });
    return undefined;
  }
  answer.end({ status: 'done', ...reportOf(simulator, tally) });
  return undefined;
}
