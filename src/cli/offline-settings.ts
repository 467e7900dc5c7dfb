import { ConfigError } from '../errors.ts';
import {
  type Config,
  type Environment,
  hasGenesysCredentials,
  isProduction,
  loadConfig,
} from '../settings/load-config.ts';

/** Stand-ins for what a laptop has not got; nothing is called with them. */
const OFFLINE: Environment = {
  GENESYS_CLIENT_ID: 'none',
  GENESYS_CLIENT_SECRET: 'none',
  DLQ_QUEUE_URL: 'http://127.0.0.1/none',
  AUTH_MODE: 'none',
};

export interface OfflineSettings {
  readonly config: Config;
  /** What the environment really lacks or has wrong, one sentence each. */
  readonly problems: readonly string[];
}

/**
 * The settings for work without Genesys and AWS: which files, which limits. Without any credentials
 * outside of production they are those of the sandbox, where nothing is missing. A wrong
 * environment is reported, and its defaults stand in for it.
 */
export function loadOfflineSettings(environment: Environment): OfflineSettings {
  const isTrial = !hasGenesysCredentials(environment) && !isProduction(environment);
  try {
    return {
      config: loadConfig(isTrial ? { ...OFFLINE, ...present(environment) } : environment),
      problems: [],
    };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const files = Object.entries(environment).filter(([name]) => name.endsWith('_FILE'));
    return {
      config: loadConfig({ ...OFFLINE, ...present(Object.fromEntries(files)) }),
      problems: error.problems,
    };
  }
}

/** An empty variable counts as not set. */
function present(environment: Environment): Environment {
  return Object.fromEntries(
    Object.entries(environment).filter(([, value]) => (value?.trim() ?? '') !== ''),
  );
}
