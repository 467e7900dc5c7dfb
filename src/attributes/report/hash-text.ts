/** The two halves of a 64-bit hash of a text (cyrb53's mixing); not for secrets. */
export function hashText(text: string, seed: number): readonly [high: number, low: number] {
  let a = 0xdeadbeef ^ seed;
  let b = 0x41c6ce57 ^ seed;
  // Two UTF-16 units a round; the length tells "a" from "a\0".
  for (let index = 0; index < text.length; index += 2) {
    const next = index + 1 < text.length ? text.charCodeAt(index + 1) : 0;
    const units = text.charCodeAt(index) | (next << 16);
    a = Math.imul(a ^ units, 2_654_435_761);
    a ^= a >>> 15;
    b = Math.imul(b ^ units, 1_597_334_677);
    b ^= b >>> 13;
  }
  a ^= text.length;
  b ^= text.length;
  a = Math.imul(a ^ (a >>> 16), 2_246_822_507) ^ Math.imul(b ^ (b >>> 13), 3_266_489_909);
  b = Math.imul(b ^ (b >>> 16), 2_246_822_507) ^ Math.imul(a ^ (a >>> 13), 3_266_489_909);
  return [b >>> 0, a >>> 0];
}
