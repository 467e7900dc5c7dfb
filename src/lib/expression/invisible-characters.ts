/** White space that JSONata knows; every other invisible character it takes for part of a name. */
const WHITE_SPACE = ' \t\n\r\v';
const INVISIBLE = /[\p{Cc}\p{Z}\p{Default_Ignorable_Code_Point}\p{Cf}]/u;
const OPERATORS = new Set('.[]{}(),@#;:?+-*/%|=<>^!&~');
/** What stands before an operand may not be a division, so a `/` there begins a pattern. */
const ENDS_OPERAND = new Set(')]}');
/** An operand where one is expected (`a.*`, `%.b`), an operator elsewhere. */
const EITHER = new Set('*%');
const WORD_OPERATORS = new Set(['and', 'or', 'in']);

/**
 * The offset of the first character that nobody can see outside of texts, patterns and comments,
 * such as a no-break space that came with a copy from a web page. JSONata makes it part of a name,
 * and no field is called so.
 */
export function findInvisibleCharacter(source: string): number | undefined {
  let afterOperand = false;
  for (let at = 0; at < source.length; ) {
    const character = String.fromCodePoint(source.codePointAt(at) ?? 0);
    if (WHITE_SPACE.includes(character)) {
      at += 1;
    } else if (source.startsWith('/*', at)) {
      const end = source.indexOf('*/', at + 2);
      if (end === -1) return undefined;
      at = end + 2;
    } else if (character === '"' || character === "'") {
      at = endOfText(source, at);
      afterOperand = true;
    } else if (character === '/' && !afterOperand) {
      at = endOfPattern(source, at);
      afterOperand = true;
    } else if (character === '`') {
      const end = source.indexOf('`', at + 1);
      const found = firstInvisible(source, at + 1, end === -1 ? source.length : end);
      if (found !== undefined || end === -1) return found;
      at = end + 1;
      afterOperand = true;
    } else if (OPERATORS.has(character)) {
      // `**` is one token: an operand or an operator as a whole.
      at += source.startsWith('**', at) ? 2 : 1;
      afterOperand = ENDS_OPERAND.has(character) || (EITHER.has(character) && !afterOperand);
    } else {
      const end = endOfName(source, at);
      const found = firstInvisible(source, at, end);
      if (found !== undefined) return found;
      afterOperand = !afterOperand || !WORD_OPERATORS.has(source.slice(at, end));
      at = end;
    }
  }
  return undefined;
}

/** The name of a character for people, such as `U+00A0`. */
export function codePointName(source: string, at: number): string {
  const codePoint = source.codePointAt(at) ?? 0;
  return `U+${codePoint.toString(16).toUpperCase().padStart(4, '0')}`;
}

function firstInvisible(source: string, from: number, to: number): number | undefined {
  // A blank is allowed in a name in backticks, and is not part of any other.
  const at = source.slice(from, to).replaceAll(' ', '_').search(INVISIBLE);
  return at === -1 ? undefined : from + at;
}

function endOfText(source: string, start: number): number {
  let at = start + 1;
  while (at < source.length && source[at] !== source[start]) at += source[at] === '\\' ? 2 : 1;
  return at + 1;
}

/** As JSONata reads it: a slash within brackets does not end the pattern. */
function endOfPattern(source: string, start: number): number {
  let depth = 0;
  for (let at = start + 1; at < source.length; at += 1) {
    const character = source[at] ?? '';
    if (character === '\\') at += 1;
    else if (character === '/' && depth === 0) return at + 1;
    else if ('([{'.includes(character)) depth += 1;
    else if (')]}'.includes(character)) depth -= 1;
  }
  return source.length;
}

function endOfName(source: string, start: number): number {
  let at = start;
  while (at < source.length && !isEndOfName(source[at] ?? '')) at += 1;
  return at;
}

function isEndOfName(character: string): boolean {
  return WHITE_SPACE.includes(character) || OPERATORS.has(character);
}
