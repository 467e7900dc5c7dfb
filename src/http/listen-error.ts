import { ConfigError } from '../errors.ts';

/** What an operator has to change when the address cannot be listened on; other errors stay. */
export function explainListenError(
  error: unknown,
  host: string,
  port: number,
  setting: 'PORT' | 'PROBE_PORT',
): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const problem = {
    EADDRINUSE: `${setting}: found ${port}, which another process listens on; allowed: a free port`,
    EACCES: `${setting}: found ${port}, which this user may not listen on; allowed: 1024 or more`,
    EADDRNOTAVAIL: `HOST: found ${host}, which is no address of this machine`,
    ENOTFOUND: `HOST: found ${host}, which no name server knows`,
    EAI_AGAIN: `HOST: found ${host}, which no name server knows now`,
  }[String(code)];
  return problem === undefined ? error : new ConfigError([problem], { cause: error });
}
