import { RE2JS } from 're2js';
import { parsePattern } from './pattern-parser.ts';
import { PatternError } from './pattern-reader.ts';
import { type Re2Pattern, toRe2 } from './re2-text.ts';

/** Longer patterns are refused: their time to match grows with pattern × text. */
export const MAX_PATTERN_LENGTH = 1000;

/**
 * Patterns that the engine's own matcher gets through in linear time, and twenty times as fast.
 * Literal text with at most one list of alternatives, such as `^(low|high)$`: nothing repeats.
 */
const PLAIN_PATTERN =
  /^\^?(?:[\w -]|\\[./-])*(?:\((?:\?:)?(?:[\w |-]|\\[./-])*\)(?:[\w -]|\\[./-])*)?\$?$/;
/** One set repeated over the whole text, such as `^.{1,2000}$`: there is only one way to match. */
const ONE_REPEAT =
  /^\^(?:\.|\\[dDwWsS]|\[\^?(?:[\w .,:;@#/]|[a-z]-[a-z]|[A-Z]-[A-Z]|\d-\d|\\[dDwWsS./])+\])(?:[*+]|\{\d{1,6}(?:,\d{0,6})?\})\$$/;

export interface LinearRegex {
  /** Whether the pattern matches anywhere in `text`, in time linear in its length. */
  test(this: void, text: string): boolean;
}

/**
 * Compiles a pattern of ECMAScript that comes from outside (docs/patterns.md). It is matched by RE2's
 * automata, never by back-tracking, so no pattern and no text can make it run away.
 *
 * @param flags any of `i` (any case), `m` (`^` and `$` at every line) and `s` (`.` is a line end too).
 * @throws Error with a message for operators that names the place: too long, too large, a syntax
 *   error, or something that linear time cannot offer (look-around, back references).
 */
export function compileLinearRegex(pattern: string, flags = ''): LinearRegex {
  const compiled = compile(pattern, flags);
  const isPlain = PLAIN_PATTERN.test(pattern) || ONE_REPEAT.test(pattern);
  if (flags === '' && isPlain) {
    const regex = new RegExp(pattern.replaceAll('\\-', '-'), 'u');
    return { test: (text) => regex.test(text) };
  }
  const { regex, multiline } = compiled();
  return { test: (text) => regex.test(multiline ? withLineFeeds(text) : text) };
}

/** The part of `RegExp` that jsonata uses. */
export interface LinearRegExp {
  lastIndex: number;
  exec(text: string): LinearMatch | null;
}

export type LinearMatch = (string | undefined)[] & { readonly index: number };

/**
 * A stand-in for the `RegExp` constructor in engines that take one (jsonata's `RegexEngine`). Each
 * call makes a new class with its own store of compiled patterns.
 */
export function createLinearRegExpClass(): new (regex: RegExp) => LinearRegExp {
  const known = new WeakMap<RegExp, CompiledPattern>();

  return class implements LinearRegExp {
    lastIndex = 0;
    readonly #compiled: CompiledPattern;

    constructor(regex: RegExp) {
      let compiled = known.get(regex);
      if (compiled === undefined) {
        compiled = compile(regex.source, regex.flags.replaceAll(/[gu]/g, ''))();
        known.set(regex, compiled);
      }
      this.#compiled = compiled;
    }

    /** As RegExp's with the flag `g`: from `lastIndex`, which moves behind the match. */
    exec(text: string): LinearMatch | null {
      const { regex, groups, captures, multiline } = this.#compiled;
      const matcher = regex.matcher(multiline ? withLineFeeds(text) : text);
      if (this.lastIndex > text.length || !matcher.find(this.lastIndex)) {
        this.lastIndex = 0;
        return null;
      }
      const part = (group: number) =>
        matcher.start(group) < 0 ? undefined : text.slice(matcher.start(group), matcher.end(group));
      const parts = Array.from({ length: captures + 1 }, (_, number) => {
        if (number === 0) return part(0);
        const last = groups.get(number)?.findLast((group) => matcher.start(group) >= 0);
        return last === undefined ? undefined : part(last);
      });
      this.lastIndex = matcher.end();
      return Object.assign(parts, { index: matcher.start() });
    }
  };
}

interface CompiledPattern extends Omit<Re2Pattern, 'text'> {
  readonly regex: RE2JS;
}

/** RE2 knows no other line ends. The patterns that need this do not tell them apart. */
function withLineFeeds(text: string): string {
  return text.replaceAll(/[\r\u2028\u2029]/g, '\n');
}

/** Checks the pattern at once; what comes back makes RE2's matcher for it. */
function compile(pattern: string, flags: string): () => CompiledPattern {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw new Error(
      `The pattern has ${pattern.length} characters; allowed are at most ${MAX_PATTERN_LENGTH}`,
    );
  }
  const unknown = /[^ims]/.exec(flags)?.[0];
  if (unknown !== undefined) {
    throw new Error(`Unknown pattern flag ${JSON.stringify(unknown)}; allowed are i, m and s`);
  }
  const has = (flag: string) => flags.includes(flag);
  const attempt = <T>(make: () => T): T => {
    try {
      return make();
    } catch (error) {
      throw unusable(pattern, error);
    }
  };
  const root = attempt(() => parsePattern(pattern, { i: has('i'), m: has('m'), s: has('s') }));
  return () =>
    attempt(() => {
      const { text, ...rest } = toRe2(root);
      return { ...rest, regex: RE2JS.compile(text) };
    });
}

function unusable(pattern: string, error: unknown): Error {
  const reason = error instanceof Error ? error.message : String(error);
  const advice =
    error instanceof PatternError && reason.includes('linear time')
      ? '. Patterns run in linear time, so look-around and back references are not allowed'
      : '';
  return new Error(
    `The pattern ${JSON.stringify(pattern)} cannot be used: ${reason.replace(/^error parsing regexp: /, '')}${advice}`,
    { cause: error },
  );
}
