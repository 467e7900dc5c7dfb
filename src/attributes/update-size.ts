import type { AttributeUpdate, AttributeValue } from './ports.ts';

/** What JSON writes differently from the text itself. */
// oxlint-disable-next-line no-control-regex
const ESCAPED = /["\\\u0000-\u001f]/;

/** Bytes of the batch's JSON body around its entities. */
export const ENVELOPE_BYTES = '{"entities":[],"partialUpdate":true}'.length;

/** Bytes of an update as an entity of the batch's JSON body, its comma included. */
export function updateBytes(update: AttributeUpdate): number {
  let bytes = '{"id":},'.length + valueBytes(update.id);
  for (const [name, value] of update.attributes) {
    bytes += name.length + ',"":'.length + valueBytes(value);
  }
  return bytes;
}

function valueBytes(value: AttributeValue): number {
  if (typeof value !== 'string') return String(value).length;
  return ESCAPED.test(value) || !value.isWellFormed()
    ? Buffer.byteLength(JSON.stringify(value))
    : Buffer.byteLength(value) + 2;
}
