import { finite, leaveToInterpreter, toBoolean, toText } from './functions.ts';

/** What one evaluation of a compiled expression knows. */
export interface Frame {
  readonly root: unknown;
  readonly bindings: Readonly<Record<string, unknown>>;
  readonly variables: unknown[];
  now: Date | undefined;
}

export type Evaluate = (input: unknown, frame: Frame) => unknown;
/** A binary operator of JSONata over two compiled operands; `undefined` for those left out. */
export function binaryOperator(
  operator: unknown,
  left: Evaluate,
  right: Evaluate,
): Evaluate | undefined {
  switch (operator) {
    case 'and':
      return (input, frame) =>
        (toBoolean(left(input, frame)) ?? false) && (toBoolean(right(input, frame)) ?? false);
    case 'or':
      return (input, frame) =>
        (toBoolean(left(input, frame)) ?? false) || (toBoolean(right(input, frame)) ?? false);
    case '&':
      return (input, frame) => {
        const first = left(input, frame);
        const second = right(input, frame);
        return (
          (first === undefined ? '' : toText(first)) + (second === undefined ? '' : toText(second))
        );
      };
    case '=':
      return (input, frame) => equal(left(input, frame), right(input, frame)) ?? false;
    case '!=':
      return (input, frame) => {
        const result = equal(left(input, frame), right(input, frame));
        return result === undefined ? false : !result;
      };
    case 'in':
      return (input, frame) => isMember(left(input, frame), right(input, frame));
    case '<':
    case '<=':
    case '>':
    case '>=':
      return comparison(operator, left, right);
    case '+':
      return arithmetic(left, right, (first, second) => first + second);
    case '-':
      return arithmetic(left, right, (first, second) => first - second);
    case '*':
      return arithmetic(left, right, (first, second) => first * second);
    case '/':
      return arithmetic(left, right, (first, second) => first / second);
    case '%':
      return arithmetic(left, right, (first, second) => first % second);
    default:
      return undefined;
  }
}

function arithmetic(
  left: Evaluate,
  right: Evaluate,
  operation: (first: number, second: number) => number,
): Evaluate {
  return (input, frame) => {
    const first = left(input, frame);
    const second = right(input, frame);
    if (first !== undefined && typeof first !== 'number') leaveToInterpreter();
    if (second !== undefined && typeof second !== 'number') leaveToInterpreter();
    if (first === undefined || second === undefined) return undefined;
    return finite(operation(finite(first), finite(second)));
  };
}

function comparison(operator: '<' | '<=' | '>' | '>=', left: Evaluate, right: Evaluate): Evaluate {
  const holds = <T extends string | number>(first: T, second: T): boolean => {
    switch (operator) {
      case '<':
        return first < second;
      case '<=':
        return first <= second;
      case '>':
        return first > second;
      case '>=':
        return first >= second;
    }
  };
  return (input, frame) => {
    const first = left(input, frame);
    const second = right(input, frame);
    if (typeof first === 'number' && typeof second === 'number') return holds(first, second);
    if (typeof first === 'string' && typeof second === 'string') return holds(first, second);
    const comparable = (value: unknown) =>
      value === undefined || typeof value === 'string' || typeof value === 'number';
    if (!comparable(first) || !comparable(second)) leaveToInterpreter();
    return first === undefined || second === undefined ? undefined : leaveToInterpreter();
  };
}

/** `undefined` when a side is missing; deep comparison is the interpreter's. */
function equal(first: unknown, second: unknown): boolean | undefined {
  if (first === undefined || second === undefined) return undefined;
  if (first === second) return true;
  const bothObjects =
    typeof first === 'object' && typeof second === 'object' && first !== null && second !== null;
  return bothObjects ? leaveToInterpreter() : false;
}

function isMember(item: unknown, list: unknown): boolean {
  if (item === undefined || list === undefined) return false;
  return Array.isArray(list) ? (list as readonly unknown[]).includes(item) : list === item;
}
