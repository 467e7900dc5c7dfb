import jsonata from 'jsonata';
import { cutText } from '../cut-text.ts';
import { createLinearRegExpClass } from '../patterns/linear-regex.ts';
import { compileSyntaxTree } from './compiler.ts';
import { fieldsRead } from './fields-read.ts';
import { copyForWriting, mayChangeInput } from './input-copy.ts';
import { codePointName, findInvisibleCharacter } from './invisible-characters.ts';
import { nodesOf } from './syntax-tree.ts';

/** JSONata's guardrails: what an expression may use up before it is stopped. */
export interface ExpressionLimits {
  /** Longest evaluation, in milliseconds. Checked between steps, not inside one built-in function. */
  readonly timeoutMs: number;
  /** Deepest nesting and recursion of the evaluation. */
  readonly maxDepth: number;
  /** Longest sequence (range, path result, `$append`) in items. */
  readonly maxSequence: number;
  /** Longest expression, in characters. Default 65,536. */
  readonly maxLength?: number;
  /** `false` interprets always, instead of compiling what can be compiled. Default `true`. */
  readonly compile?: boolean;
}

/** A compiled JSONata expression. One may be evaluated many times at once. */
export interface Expression {
  /**
   * The result as plain JSON data; `undefined` when there is none. `bindings` are variables and
   * functions by their name without `$`; they hold for this evaluation alone. Neither these nor the
   * input are changed, whatever the expression does.
   *
   * @throws ExpressionError
   */
  evaluate(input: unknown, bindings?: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** Whether the fast path is in use; the results are the same. */
  readonly compiled: boolean;
  /** The names of fields that it can read, and perhaps more; `undefined` when it can read any. */
  readonly reads: ReadonlySet<string> | undefined;
}

/** What an expression may use up. */
export type Exceeded = 'time' | 'depth' | 'sequence' | 'memory';

/** The expression is wrong (syntax) or failed on an input. The message may quote input values. */
export class ExpressionError extends Error {
  override name = 'ExpressionError';
  /** JSONata's own code (https://docs.jsonata.org), or one of `EXPRESSION_CODES`. */
  readonly code: string;
  /** Offset into the source in characters, where JSONata told it. */
  readonly position: number | undefined;
  /** What was used up, when a guardrail stopped the evaluation. */
  readonly exceeded: Exceeded | undefined;

  constructor(message: string, code: string, position?: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.position = position;
    this.exceeded = GUARDRAILS.get(code);
  }
}

/** Codes beside JSONata's own. */
export const EXPRESSION_CODES = {
  tooLong: 'expression_too_long',
  badPattern: 'pattern_not_allowed',
  invisibleCharacter: 'invisible_character',
  notJson: 'result_not_json',
  tooLarge: 'value_too_large',
  failed: 'expression_failed',
} as const;

const GUARDRAILS: ReadonlyMap<string, Exceeded> = new Map<string, Exceeded>([
  ['D1011', 'depth'],
  ['D1012', 'time'],
  ['D2014', 'sequence'],
  ['D2015', 'sequence'],
  [EXPRESSION_CODES.tooLarge, 'memory'],
]);

const MAX_MESSAGE_LENGTH = 500;

/** Evaluations in vain before the fast path may be switched off for good. */
const GIVE_UP_AFTER = 1000;

/**
 * Compiles a JSONata expression with guardrails; its patterns run in linear time.
 *
 * @throws ExpressionError with the position of a syntax error.
 */
export function compileExpression(text: string, limits: ExpressionLimits): Expression {
  const source = text.replace(/^\uFEFF/, '');
  const maxLength = limits.maxLength ?? 65_536;
  if (source.length > maxLength) {
    throw new ExpressionError(
      `The expression has ${source.length} characters; allowed are at most ${maxLength}`,
      EXPRESSION_CODES.tooLong,
    );
  }
  refuseInvisible(source);
  const LinearRegExp = createLinearRegExpClass();
  let expression: jsonata.Expression;
  try {
    expression = jsonata(source, {
      timeout: limits.timeoutMs,
      stack: limits.maxDepth,
      sequence: limits.maxSequence,
      RegexEngine: LinearRegExp as unknown as RegExpConstructor,
    });
  } catch (error) {
    throw toExpressionError(error, source);
  }
  for (const { value, position } of patternsOf(expression.ast())) {
    try {
      void new LinearRegExp(value);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new ExpressionError(
        `${message}${place(source, position)}`,
        EXPRESSION_CODES.badPattern,
        position,
        error,
      );
    }
  }

  let compiled =
    limits.compile === false
      ? undefined
      : compileSyntaxTree(expression.ast(), {
          maxSequence: limits.maxSequence,
          maxNodes: limits.maxDepth,
        });
  const isWriting = mayChangeInput(expression.ast());
  let runs = 0;
  let givenUp = 0;

  return {
    reads: fieldsRead(expression.ast()),
    get compiled() {
      return compiled !== undefined;
    },
    async evaluate(input, bindings = {}) {
      const outcome = compiled?.run(input, bindings);
      if (outcome !== undefined) {
        runs += 1;
        return outcome.value;
      }
      if (compiled !== undefined) {
        givenUp += 1;
        // Inputs that are mostly unusual would pay for both.
        if (givenUp > GIVE_UP_AFTER && givenUp > runs) compiled = undefined;
      }
      let result: unknown;
      try {
        result = isWriting
          ? await expression.evaluate(
              copyForWriting(input),
              copyForWriting(bindings) as typeof bindings,
            )
          : await expression.evaluate(input, bindings);
      } catch (error) {
        throw toExpressionError(error, source);
      }
      return toPlainJson(result);
    },
  };
}

/**
 * JSONata's objects have no prototype and its arrays carry properties of their own
 * (`sequence: true`, `push`): such values neither compare nor clone.
 */
function toPlainJson(result: unknown): unknown {
  if (result === undefined || result === null || typeof result === 'boolean') return result;
  if (typeof result === 'string' || typeof result === 'number') return result;
  let text: string | undefined;
  try {
    text = JSON.stringify(result);
  } catch (error) {
    throw new ExpressionError(
      'The result is no JSON: it contains a function, or is nested too deeply',
      EXPRESSION_CODES.notJson,
      undefined,
      error,
    );
  }
  // Data may bear JSONata's marks; only a real function cannot be data.
  if (text === undefined || (text.includes('"_jsonata_') && containsFunction(result))) {
    throw new ExpressionError('The result contains a function', EXPRESSION_CODES.notJson);
  }
  return JSON.parse(text) as unknown;
}

function containsFunction(value: unknown): boolean {
  if (typeof value === 'function') return true;
  return typeof value === 'object' && value !== null && Object.values(value).some(containsFunction);
}

interface Pattern {
  readonly value: RegExp;
  readonly position: number | undefined;
}

/** Every regular expression literal in a syntax tree. */
function patternsOf(root: unknown): Pattern[] {
  const found: Pattern[] = [];
  for (const { value, position } of nodesOf(root)) {
    if (!(value instanceof RegExp)) continue;
    found.push({ value, position: typeof position === 'number' ? position : undefined });
  }
  return found;
}

function refuseInvisible(source: string): void {
  const at = findInvisibleCharacter(source);
  if (at === undefined) return;
  const name = codePointName(source, at);
  // The place is that of the character itself, not of the one before it.
  throw new ExpressionError(
    `The invisible character ${name} cannot be part of a name${place(source, at + 1)}. Allowed are ` +
      `blanks, tabs and line ends; a field that is called so is written as a text, such as "a\\u00a0b"`,
    EXPRESSION_CODES.invisibleCharacter,
    at,
  );
}

/** JSONata throws plain objects `{code, position, token, value, message}`. */
function toExpressionError(thrown: unknown, source: string): ExpressionError {
  const facts: Readonly<Record<string, unknown>> =
    typeof thrown === 'object' && thrown !== null ? { ...thrown } : {};
  if (thrown instanceof RangeError) {
    // The engine's own bounds: its stack (in the parser, or in a function without a guardrail), or
    // the longest text and array there can be.
    return thrown.message.includes('call stack')
      ? new ExpressionError('The expression is nested too deeply', 'D1011', undefined, thrown)
      : new ExpressionError(thrown.message, EXPRESSION_CODES.tooLarge, undefined, thrown);
  }
  const code = typeof facts['code'] === 'string' ? facts['code'] : EXPRESSION_CODES.failed;
  const position = typeof facts['position'] === 'number' ? facts['position'] : undefined;
  const given = thrown instanceof Error ? thrown.message : facts['message'];
  const message = typeof given === 'string' ? given : 'The expression failed';
  return new ExpressionError(
    `${cutText(message, MAX_MESSAGE_LENGTH)}${place(source, position)}`,
    code,
    position,
    thrown,
  );
}

/** ` (line 2, column 7)` for a position, which JSONata gives as the end of a token. */
function place(source: string, position: number | undefined): string {
  if (position === undefined) return '';
  const before = source.slice(0, position).split('\n');
  return ` (line ${before.length}, column ${Math.max(1, before.at(-1)?.length ?? 1)})`;
}
