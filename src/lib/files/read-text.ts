import { readFile } from 'node:fs/promises';

/**
 * A text file that people edit: UTF-8; the byte order mark that some editors put at its beginning
 * is skipped.
 *
 * @throws when it cannot be read, or is in another encoding.
 */
export async function readText(path: string): Promise<string> {
  const bytes = await readFile(path);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new Error(`${path} is not UTF-8 text; save it as UTF-8`, { cause: error });
  }
}
