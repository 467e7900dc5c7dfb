import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createLogger, type Logger } from '../../src/lib/logger.ts';
import { createReleasers } from '../../src/lib/releasers.ts';
import { type Config, type Environment, loadConfig } from '../../src/settings/load-config.ts';
import { type AttributesOverrides, openAttributes } from '../../src/wiring/attributes.ts';
import { connectGenesys } from '../../src/wiring/genesys.ts';
import { createShared } from '../../src/wiring/shared.ts';

/**
 * What the app has for attributes, wired as in the app. Ends with the test.
 *
 * @param config may be outside of what operators are allowed.
 * @param options.mapping the text of a mapping file, instead of the shipped one.
 */
export async function attributesUnderTest(
  environment: Environment,
  config: Partial<Config>,
  options: AttributesOverrides & {
    readonly log?: Logger;
    readonly mapping?: string | undefined;
  } = {},
) {
  const folder = await mkdtemp(join(tmpdir(), 'attributes-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const releasers = createReleasers();
  onTestFinished(() => releasers.release());
  const mappingFile = join(folder, 'mapping.json');
  if (options.mapping !== undefined) await writeFile(mappingFile, options.mapping);
  const shared = createShared(
    {
      ...loadConfig({
        ...environment,
        FINGERPRINT_PATH: join(folder, 'fingerprints.db'),
        MAPPING_FILE: options.mapping === undefined ? undefined : mappingFile,
      }),
      GENESYS_RETRY_BASE_MS: 2,
      GENESYS_RETRY_MAX_MS: 10,
      GENESYS_REQUESTS_PER_MINUTE: 1_000_000,
      ...config,
    },
    {
      log: options.log ?? createLogger({ level: 'silent' }),
      releasers,
    },
  );
  const { client } = connectGenesys(shared);
  const { reports, routes } = await openAttributes(shared, client, options);
  return { reports, routes, registry: shared.registry };
}
