import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

/**
 * The PEM certificates of a file, as one text.
 *
 * @throws Error that says what was found.
 */
export function readCertificates(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`found ${JSON.stringify(path)}, which cannot be read (${code ?? 'no file'})`, {
      cause: error,
    });
  }
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) {
    throw new Error(`found ${JSON.stringify(path)}, which has no PEM certificate`);
  }
  for (const [index, block] of blocks.entries()) {
    try {
      void new X509Certificate(block);
    } catch {
      throw new Error(
        `found ${JSON.stringify(path)}, of whose certificates number ${index + 1} cannot be read`,
      );
    }
  }
  return `${blocks.join('\n')}\n`;
}
