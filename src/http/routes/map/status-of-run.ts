import type { RunOutcome } from '../../../attributes/record-fates.ts';
import { problemOf } from '../../problem-of-error.ts';

/** The status of a run of records, in one document or as a stream. */
export function statusOfRun({ counts, success, failure, refused }: RunOutcome): number {
  if (success) return 200;
  if (counts.written + counts.unchanged > 0) return 207;
  if (failure !== undefined) return problemOf(failure).status;
  return refused ? 400 : 502;
}
