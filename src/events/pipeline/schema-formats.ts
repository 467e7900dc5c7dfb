import { domainToASCII } from 'node:url';
import formats from 'ajv-formats';

const NOT_ASCII = /[^\0-\u007f]/gu;
const HOST_NAME = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/;
/** Of RFC 6531: what an e-mail address may have before its `@`, without quotes. */
const LOCAL_PART = /^[a-z0-9!#$%&'*+/=?^_`{|}~\u0080-\u{10ffff}-]+$/iu;

/** The formats of the JSON Schema standards that ajv-formats leaves out. */
export const INTERNATIONAL_FORMATS = {
  'idn-email': isInternationalEmail,
  'idn-hostname': isInternationalHostName,
  // An IRI is a URI once its other characters are percent-encoded.
  iri: (text: string) => matches('uri', text.replaceAll(NOT_ASCII, '%FF')),
  'iri-reference': (text: string) => matches('uri-reference', text.replaceAll(NOT_ASCII, '%FF')),
} as const;

function matches(name: 'uri' | 'uri-reference', text: string): boolean {
  const format = formats.default.get(name);
  if (format instanceof RegExp) return format.test(text);
  return typeof format === 'function' && format(text);
}

function isInternationalHostName(text: string): boolean {
  // The converter also takes what browsers forgive; of ASCII there is only this.
  if (!/^(?:[a-z0-9.-]|[^\0-\u007f])+$/iu.test(text)) return false;
  const ascii = domainToASCII(text.replace(/[.。．｡]$/u, ''));
  return (
    ascii !== '' && ascii.length <= 253 && ascii.split('.').every((label) => HOST_NAME.test(label))
  );
}

function isInternationalEmail(text: string): boolean {
  const at = text.lastIndexOf('@');
  const local = text.slice(0, Math.max(0, at));
  return (
    Buffer.byteLength(local) <= 64 &&
    local.split('.').every((part) => LOCAL_PART.test(part) && !/\s/u.test(part)) &&
    isInternationalHostName(text.slice(at + 1))
  );
}
