import { readFile } from 'node:fs/promises';

/**
 * A text file that people edit: UTF-8; the byte order mark that some editors put at its beginning
 * is skipped.
 *
 * @throws when it cannot be read, or is in another encoding.
 */
export async function readText(path: string): Promise<string> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${path} cannot be read: ${whyUnreadable(error)}`, { cause: error });
  });
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new Error(`${path} is not UTF-8 text; save it as UTF-8`, { cause: error });
  }
}

/** The system's words say the path again; its code stays for those who search for it. */
function whyUnreadable({ code = '', message }: NodeJS.ErrnoException): string {
  const reason = REASONS[code];
  return reason === undefined ? message : `${reason} (${code})`;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'this user may not read it',
  EPERM: 'this user may not read it',
  EISDIR: 'it is a folder',
};
