/** A pattern that cannot be used, with the offset of what is to blame. */
export class PatternError extends Error {
  override name = 'PatternError';
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(`${message} (at character ${offset + 1})`);
    this.offset = offset;
  }
}

/** A place in the text of a pattern. */
export interface PatternReader {
  readonly at: number;
  readonly isAtEnd: boolean;
  /** Whether `text` comes next. */
  is(text: string): boolean;
  /** Goes past `text` if it comes next. */
  take(text: string): boolean;
  /** Goes past what matches here; the expression must be sticky. */
  match(sticky: RegExp): RegExpExecArray | undefined;
  /** The code point that comes next, and goes past it. */
  character(): number;
  /** The next characters, without going past them. */
  peek(count: number): string;
  /** @throws PatternError for here, or for another offset. */
  fail(message: string, offset?: number): never;
}

export function openReader(text: string): PatternReader {
  let at = 0;
  const is = (expected: string) => text.startsWith(expected, at);
  return {
    get at() {
      return at;
    },
    get isAtEnd() {
      return at >= text.length;
    },
    is,
    take(expected) {
      if (!is(expected)) return false;
      at += expected.length;
      return true;
    },
    match(sticky) {
      sticky.lastIndex = at;
      const match = sticky.exec(text);
      if (match === null) return undefined;
      at = sticky.lastIndex;
      return match;
    },
    character() {
      const codePoint = text.codePointAt(at) ?? 0;
      at += codePoint > 0xff_ff ? 2 : 1;
      return codePoint;
    },
    peek: (count) => text.slice(at, at + count),
    fail(message, offset = at) {
      throw new PatternError(message, offset);
    },
  };
}
