import { leaveToInterpreter } from './functions.ts';
import type { Evaluate } from './operators.ts';

/** A property of a single value. Arrays are the business of paths. */
export function field(item: unknown, key: string): unknown {
  if (typeof item !== 'object' || item === null) return undefined;
  if (Array.isArray(item)) return leaveToInterpreter();
  // The interpreter takes data with these marks for functions.
  if ('_jsonata_function' in item || '_jsonata_lambda' in item) return leaveToInterpreter();
  return Object.hasOwn(item, key) ? (item as Record<string, unknown>)[key] : undefined;
}

export interface PathStep {
  /** A list that the step yields is flattened; of other steps it is left to the interpreter. */
  readonly keepsArrays: boolean;
  readonly evaluate: Evaluate;
}

/** Steps one after the other, each mapped over the sequence that the one before it yields. */
export function path(steps: readonly PathStep[], maxSequence: number): Evaluate {
  return (input, frame) => {
    let current: unknown = input;
    for (const [index, step] of steps.entries()) {
      if (!Array.isArray(current)) {
        current = step.evaluate(current, frame);
        if (current === undefined) return undefined;
        if (Array.isArray(current) && !step.keepsArrays) leaveToInterpreter();
        continue;
      }
      // A sequence of more than one item, or an array of the input: the step maps over it.
      const isLast = index === steps.length - 1;
      const results: unknown[] = [];
      for (const item of current as readonly unknown[]) {
        if (Array.isArray(item)) leaveToInterpreter();
        const result = step.evaluate(item, frame);
        if (result === undefined) continue;
        if (Array.isArray(result) && !step.keepsArrays) leaveToInterpreter();
        results.push(result);
      }
      if (results.length > maxSequence) leaveToInterpreter();
      if (results.length === 0) return undefined;
      if (isLast && results.length === 1 && Array.isArray(results[0])) {
        return results[0] as readonly unknown[];
      }
      const flat = results.flat();
      if (flat.length > maxSequence) leaveToInterpreter();
      if (flat.length === 0) return undefined;
      // One item is a sequence for the next step, and itself at the end; both are the item here,
      // unless it is an array, whose flattening depends on which.
      if (flat.length === 1 && Array.isArray(flat[0])) leaveToInterpreter();
      current = flat.length === 1 ? flat[0] : flat;
    }
    return current;
  };
}
