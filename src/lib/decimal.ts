/**
 * The one reading of whole numbers that people and other programs write as text: decimal digits, at
 * most 15 of them, with a minus sign where it is negative. What `Number()` takes beside them
 * (`0x10`, `1e1`, `+5`, ` 5`, `5.0`, nothing at all) is none: who wrote it may have meant anything.
 */
export function readInteger(text: string): number | undefined {
  // 0 is added for `-0`.
  return /^-?\d{1,15}$/.test(text) ? Number(text) + 0 : undefined;
}
