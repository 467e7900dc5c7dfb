/** JSON text without the characters that SQS refuses: JSON escapes all others of them itself. */
export function escapeForSqs(json: string): string {
  return json.replaceAll(
    /[\uFFFE\uFFFF]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16)}`,
  );
}
