import { once } from 'node:events';
import type { WriteStream } from 'node:fs';
import { readRecordLines } from './record-lines.ts';

/** Resolves when the file takes more. @throws what broke it, also when that was before. */
export async function writeReject(output: WriteStream, reject: object): Promise<void> {
  if (output.errored !== null) throw output.errored;
  if (!output.write(`${JSON.stringify(reject)}\n`)) await once(output, 'drain');
}

/** Reads the file a second time and writes each reject with the record that it is about. */
export async function addRecords(
  file: string,
  delimiter: string | undefined,
  rejects: Map<number, object>,
  output: WriteStream,
): Promise<void> {
  if (rejects.size === 0) return;
  let line = 0;
  let rest = '';

  async function write(text: string): Promise<void> {
    line += 1;
    const reject = rejects.get(line);
    if (reject === undefined) return;
    rejects.delete(line);
    await writeReject(output, { ...reject, record: parsed(text) });
  }

  for await (const { text } of readRecordLines(file, delimiter)) {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const one of lines) await write(one);
  }
  if (rest !== '') await write(rest);
}

/** A line that is no JSON is kept as the text that it is. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
