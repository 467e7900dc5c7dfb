import { Problem } from '../problem.ts';

/**
 * A JSON body beyond one of its bounds.
 *
 * @param streams media types of the route whose bodies have no such bound: the way out
 */
export function tooLarge(
  what: string,
  members: Readonly<Record<string, number>>,
  streams: readonly string[],
): Problem {
  const [first] = streams;
  const wayOut =
    first === undefined
      ? ''
      : ` Send it in parts, or with Content-Type: ${first}, one a line: that has no such bound.`;
  return new Problem(413, 'body_too_large', `The body ${what}.${wayOut}`, { members });
}
