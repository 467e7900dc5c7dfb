import { ConfigError, coerceError } from '../../errors.ts';
import { type LiveFile, type LiveFileOptions, openLiveFile } from './live-file.ts';

/** @throws ConfigError in which every problem begins with the file's name; its code is kept. */
export async function openConfiguredFile<T>(options: LiveFileOptions<T>): Promise<LiveFile<T>> {
  try {
    return await openLiveFile(options);
  } catch (error) {
    const isConfig = error instanceof ConfigError;
    const problems = isConfig ? error.problems : [coerceError(error).message];
    throw new ConfigError(
      problems.map((problem) => `${options.path}: ${problem}`),
      { cause: error, ...(isConfig && { code: error.code }) },
    );
  }
}

/** @throws ConfigError with the position. */
export function parseJson(text: string, what: 'filter' | 'schema'): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ConfigError([`The ${what} is not JSON: ${coerceError(error).message}`], {
      code: `invalid_${what}`,
      cause: error,
    });
  }
}
