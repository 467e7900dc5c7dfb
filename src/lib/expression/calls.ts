import { BUILTINS, leaveToInterpreter } from './functions.ts';
import type { Evaluate } from './operators.ts';

/** A call of one of JSONata's functions; `undefined` when the compiler does not know this one. */
export function builtinCall(name: string, args: readonly Evaluate[]): Evaluate | undefined {
  const builtin = BUILTINS.get(`${name}/${args.length}`);
  if (builtin !== undefined) {
    const [first, second] = args;
    if (first !== undefined && args.length === 1) {
      return (input, frame) => builtin(first(input, frame));
    }
    if (first !== undefined && second !== undefined && args.length === 2) {
      return (input, frame) => builtin(first(input, frame), second(input, frame));
    }
    return (input, frame) => builtin(...args.map((argument) => argument(input, frame)));
  }
  if (args.length > 0) return undefined;
  if (name === 'now') return (_input, frame) => (frame.now ??= new Date()).toISOString();
  if (name === 'millis') return (_input, frame) => (frame.now ??= new Date()).getTime();
  return undefined;
}

/** A call of a function that the caller of the expression bound. */
export function boundCall(name: string, args: readonly Evaluate[]): Evaluate {
  return (input, frame) => {
    const { bindings } = frame;
    const bound = Object.hasOwn(bindings, name) ? bindings[name] : undefined;
    if (typeof bound !== 'function') return leaveToInterpreter();
    const values = args.map((argument) => argument(input, frame));
    const result = Reflect.apply(bound, input, values) as unknown;
    return isPlain(result) ? result : leaveToInterpreter();
  };
}

/** Scalars only: a promise, an array or a function would need the interpreter's care. */
function isPlain(value: unknown): boolean {
  return value === undefined || typeof value === 'string' || typeof value === 'boolean';
}
