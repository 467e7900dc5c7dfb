// The sandbox as a process of its own: `npm run sandbox`. Prints the settings that make a service
// use it, as lines for an .env file, then a line `# ready`.

import { onNpmGone } from '../lib/npm-gone.ts';
import type { SandboxOptions } from './options.ts';
import { startSandbox } from './sandbox.ts';

/** Name in the environment → option. `max` stands for Infinity. */
const NUMBERS = {
  SANDBOX_PORT: 'port',
  SANDBOX_SEED: 'seed',
  SANDBOX_RATE: 'traffic',
  SANDBOX_CONVERSATIONS: 'conversations',
  SANDBOX_RATE_LIMIT_PER_MINUTE: 'rateLimitPerMinute',
  SANDBOX_RATE_LIMIT_WINDOW_MS: 'rateLimitWindowMs',
  SANDBOX_TOKEN_LIFE_SECONDS: 'tokenLifeSeconds',
  SANDBOX_MALFORMED_SHARE: 'malformedShare',
  SANDBOX_OTHER_SHARE: 'otherShare',
  SANDBOX_ARRAY_SHARE: 'arrayShare',
  SANDBOX_AWKWARD_SHARE: 'awkwardShare',
  SANDBOX_KEEP_ALIVE_MS: 'keepAliveMs',
  SANDBOX_BUFFER_EVENTS: 'bufferEvents',
  SANDBOX_DUPLICATES_AFTER_RECONNECT: 'duplicatesAfterReconnect',
  SANDBOX_KEEP_RECORDS: 'keepRecords',
  SANDBOX_KEEP_EVENTS: 'keepEvents',
} as const satisfies Record<string, keyof SandboxOptions>;

const TEXTS = {
  SANDBOX_HOST: 'host',
  SANDBOX_API: 'api',
  SANDBOX_BUS_NAME: 'busName',
  SANDBOX_DEAD_LETTER_QUEUE: 'deadLetterQueue',
} as const satisfies Record<string, keyof SandboxOptions>;

const options: Record<string, unknown> = { traffic: 5 };
const problems: string[] = [];
for (const [name, option] of Object.entries(NUMBERS)) {
  const text = process.env[name] ?? '';
  if (text === '') continue;
  if (text === 'max') options[option] = Infinity;
  else if (/^\d+(?:\.\d+)?$/.test(text)) options[option] = Number(text);
  else problems.push(`${name}: found ${text}; allowed: a number from 0, or max`);
}
for (const [name, option] of Object.entries(TEXTS)) {
  const text = process.env[name] ?? '';
  if (text !== '') options[option] = text;
}

const api = options['api'] ?? 'reference';
if (api !== 'reference' && api !== 'platform') {
  problems.push(`SANDBOX_API: found ${JSON.stringify(api)}; allowed: reference, platform`);
}

if (problems.length > 0) {
  process.stderr.write(`${problems.join('\n')}\n`);
  process.exitCode = 78;
} else {
  const sandbox = await startSandbox(options);
  const stop = (): void => {
    void sandbox.stop().finally(() => process.exit(0));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop);
  onNpmGone(stop);
  if ((process.env['SANDBOX_EXIT_WITH_PARENT'] ?? '') !== '') {
    // A parent that dies, however suddenly, closes this pipe.
    process.stdin.once('close', stop).once('end', stop).resume();
  }
  const lines = Object.entries(sandbox.environment).map(
    ([name, value]) => `${name}="${value.trim().replaceAll('\n', '\\n')}"`,
  );
  process.stdout.write(
    `# Genesys and AWS look-alikes; look around at ${sandbox.url}/_sandbox\n${lines.join('\n')}\n# ready\n`,
  );
}
