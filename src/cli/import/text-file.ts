import { createReadStream } from 'node:fs';
import { TextDecoder } from 'node:util';

export interface TextFile {
  /** Of the file, as the WHATWG calls it. */
  readonly encoding: string;
  /**
   * Its content in UTF-8, without byte order mark. What is UTF-8 comes byte for byte, so that the
   * reader can tell which line is not; of another encoding all that can be read comes before the
   * error.
   *
   * @throws the errors of reading a file.
   */
  readonly chunks: AsyncGenerator<TextChunk>;
}

export interface TextChunk {
  readonly bytes: Buffer;
  /** Of the file, so far. */
  readonly bytesRead: number;
}

const MARKS = [
  { encoding: 'utf-8', bytes: Buffer.from([0xef, 0xbb, 0xbf]) },
  { encoding: 'utf-16le', bytes: Buffer.from([0xff, 0xfe]) },
  { encoding: 'utf-16be', bytes: Buffer.from([0xfe, 0xff]) },
];

/** A byte order mark says more than `declared`, as it does everywhere on the web. */
export async function openTextFile(file: string, declared = 'utf-8'): Promise<TextFile> {
  const stream = createReadStream(file, { highWaterMark: 65_536 });
  const source = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let first = Buffer.alloc(0);
  while (first.length < 3) {
    const next = await source.next();
    if (next.done === true) break;
    first = Buffer.concat([first, next.value]);
  }
  const mark = MARKS.find(({ bytes }) => first.subarray(0, bytes.length).equals(bytes));
  const encoding = mark?.encoding ?? declared;

  async function* bytes(): AsyncGenerator<Buffer> {
    yield first.subarray(mark?.bytes.length ?? 0);
    for (let next = await source.next(); next.done !== true; next = await source.next()) {
      yield next.value;
    }
  }

  async function* chunks(): AsyncGenerator<TextChunk> {
    try {
      const utf8 = encoding === 'utf-8' ? bytes() : decoded(bytes(), encoding);
      for await (const chunk of utf8) yield { bytes: chunk, bytesRead: stream.bytesRead };
    } finally {
      stream.destroy();
    }
  }
  return { encoding, chunks: chunks() };
}

async function* decoded(source: AsyncIterable<Buffer>, encoding: string): AsyncGenerator<Buffer> {
  const strict = new TextDecoder(encoding, { fatal: true });
  /** Says how far what cannot be read could be read. */
  const lenient = new TextDecoder(encoding);

  function decode(read: (decoder: TextDecoder) => string): { text: string; isBroken: boolean } {
    const text = read(lenient);
    try {
      return { text: read(strict), isBroken: false };
    } catch {
      return { text: text.slice(0, Math.max(0, text.indexOf('\uFFFD'))), isBroken: true };
    }
  }

  function* utf8({ text, isBroken }: { text: string; isBroken: boolean }): Generator<Buffer> {
    yield Buffer.from(text);
    if (isBroken) throw new Error(`holds bytes that are no ${encoding}`);
  }

  for await (const chunk of source) {
    yield* utf8(decode((decoder) => decoder.decode(chunk, { stream: true })));
  }
  yield* utf8(decode((decoder) => decoder.decode()));
}
