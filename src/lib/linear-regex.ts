import { RE2JS } from 're2js';

/** Longer patterns are refused: their time to match grows with pattern × text. */
export const MAX_PATTERN_LENGTH = 1000;

/**
 * Literal text with at most one list of alternatives, such as `^(low|high)$`. Nothing in it repeats,
 * so the engine's own matcher is linear as well, means the same, and is twenty times as fast.
 */
const PLAIN_PATTERN =
  /^\^?(?:[\w -]|\\[./-])*(?:\((?:\?:)?(?:[\w |-]|\\[./-])*\)(?:[\w -]|\\[./-])*)?\$?$/;

export interface LinearRegex {
  /** Whether the pattern matches anywhere in `text`, in time linear in its length. */
  test(this: void, text: string): boolean;
}

/**
 * Compiles a pattern that comes from outside. It is matched by RE2's automata, never by
 * back-tracking, so no pattern and no text can make it run away.
 *
 * @param flags any of `i` (any case), `m` (`^` and `$` at every line) and `s` (`.` is a line end too).
 * @throws Error with a message for operators: too long, a syntax error, or something that linear
 *   time cannot offer (look-around, back references).
 */
export function compileLinearRegex(pattern: string, flags = ''): LinearRegex {
  const regex =
    flags === '' && pattern.length <= MAX_PATTERN_LENGTH && PLAIN_PATTERN.test(pattern)
      ? new RegExp(pattern)
      : compileRe2(pattern, flags);
  return { test: (text) => regex.test(text) };
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
  const compiled = new WeakMap<RegExp, RE2JS>();

  return class implements LinearRegExp {
    lastIndex = 0;
    readonly #regex: RE2JS;

    constructor(regex: RegExp) {
      let re2 = compiled.get(regex);
      if (re2 === undefined) {
        re2 = compileRe2(regex.source, regex.flags.replace('g', ''));
        compiled.set(regex, re2);
      }
      this.#regex = re2;
    }

    /** As RegExp's with the flag `g`: from `lastIndex`, which moves behind the match. */
    exec(text: string): LinearMatch | null {
      const matcher = this.#regex.matcher(text);
      if (this.lastIndex > text.length || !matcher.find(this.lastIndex)) {
        this.lastIndex = 0;
        return null;
      }
      const groups: (string | undefined)[] = [];
      for (let group = 0; group <= matcher.groupCount(); group += 1) {
        groups.push(matcher.group(group) ?? undefined);
      }
      this.lastIndex = matcher.end();
      return Object.assign(groups, { index: matcher.start() });
    }
  };
}

function compileRe2(pattern: string, flags: string): RE2JS {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw new Error(
      `The pattern has ${pattern.length} characters; allowed are at most ${MAX_PATTERN_LENGTH}`,
    );
  }
  let bits = 0;
  for (const flag of flags) {
    if (flag === 'i') bits |= RE2JS.CASE_INSENSITIVE;
    else if (flag === 'm') bits |= RE2JS.MULTILINE;
    else if (flag === 's') bits |= RE2JS.DOTALL;
    else throw new Error(`Unknown pattern flag ${JSON.stringify(flag)}; allowed are i, m and s`);
  }
  try {
    return RE2JS.compile(RE2JS.translateRegExp(pattern), bits);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `The pattern ${JSON.stringify(pattern)} cannot be used: ${reason.replace(/^error parsing regexp: /, '')}. ` +
        'Patterns run in linear time, so look-around and back references are not allowed',
      { cause: error },
    );
  }
}
