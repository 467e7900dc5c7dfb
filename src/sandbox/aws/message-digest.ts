import { createHash } from 'node:crypto';
import { type JsonObject, textOf } from './answers.ts';

export function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}

/**
 * SQS' digest of message attributes: by name, each name, type and value with its length in front
 * (four bytes, big-endian) and a byte that says whether the value is text (1) or binary (2).
 */
export function attributesMd5(attributes: Readonly<Record<string, JsonObject>>): string {
  const hash = createHash('md5');
  const part = (bytes: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  };
  for (const name of Object.keys(attributes).sort()) {
    const attribute = attributes[name] ?? {};
    const dataType = textOf(attribute, 'DataType') ?? '';
    const isBinary = dataType.startsWith('Binary');
    part(Buffer.from(name));
    part(Buffer.from(dataType));
    hash.update(Buffer.of(isBinary ? 2 : 1));
    part(valueOf(attribute));
  }
  return hash.digest('hex');
}

export function valueOf(attribute: JsonObject): Buffer {
  const binary = textOf(attribute, 'BinaryValue');
  return binary === undefined
    ? Buffer.from(textOf(attribute, 'StringValue') ?? '')
    : Buffer.from(binary, 'base64');
}
