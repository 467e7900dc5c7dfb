import type { ServerResponse } from 'node:http';
import { callerGone } from '../exchange.ts';
import { Problem } from '../problem.ts';

/** What the bodies of all requests together take of the memory, each until its answer is out. */
export interface HeldMemory {
  /**
   * @param response its end gives everything back
   * @throws Problem 499 when it has ended already
   */
  open(response: ServerResponse): HeldBody;
}

/** Alone a body always has room: it has a bound of its own. */
export interface HeldBody {
  /** @throws Problem 503 when others hold so much that there is no room for so many bytes */
  expect(bytes: number): void;
  /** As `expect`, and holds them from now on. */
  take(bytes: number): void;
  /** Holds so many in place of what it held. @throws Problem 503 as `take`, and holds what it held */
  set(bytes: number): void;
}

export function createHeldMemory(maxBytes: number): HeldMemory {
  let heldBytes = 0;

  return {
    open(response) {
      if (response.destroyed) throw callerGone();
      let ownBytes = 0;
      response.once('close', () => {
        heldBytes -= ownBytes;
      });
      const expect = (bytes: number): void => {
        if (heldBytes > ownBytes && heldBytes + bytes > maxBytes) throw overloaded();
      };
      const take = (bytes: number): void => {
        if (bytes > 0) expect(bytes);
        heldBytes += bytes;
        ownBytes += bytes;
      };
      return { expect, take, set: (bytes) => take(bytes - ownBytes) };
    },
  };
}

function overloaded(): Problem {
  return new Problem(
    503,
    'overloaded',
    'Too many large bodies or streams at once; try again shortly.',
    {
      headers: { 'retry-after': '1' },
    },
  );
}
