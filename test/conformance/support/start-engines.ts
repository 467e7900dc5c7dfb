import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Addresses; `undefined` where the engine is not installed. */
    moto: string | undefined;
    elasticmq: string | undefined;
  }
}

const START_TIMEOUT_MS = 120_000;

/** Starts what `tools/engines.sh` installed, on free ports, for the time of the run. */
export default async function startEngines(project: TestProject): Promise<() => Promise<void>> {
  const { CONFORMANCE_MOTO, CONFORMANCE_ELASTICMQ } = process.env;
  for (const [name, place] of Object.entries({ CONFORMANCE_MOTO, CONFORMANCE_ELASTICMQ })) {
    if (place === undefined) console.warn(`Skipping what needs ${name}: see tools/engines.sh`);
  }
  const started = await Promise.allSettled([
    CONFORMANCE_MOTO === undefined
      ? undefined
      : startEngine(join(CONFORMANCE_MOTO, 'bin/moto_server'), (port) => [
          '--host=127.0.0.1',
          `--port=${port}`,
        ]),
    CONFORMANCE_ELASTICMQ === undefined
      ? undefined
      : startEngine('java', (port) => [
          // It lives for a minute.
          '-XX:TieredStopAtLevel=1',
          '-Drest-sqs.bind-hostname=127.0.0.1',
          `-Drest-sqs.bind-port=${port}`,
          '-Drest-stats.enabled=false',
          '-cp',
          join(CONFORMANCE_ELASTICMQ, '*'),
          'org.elasticmq.server.Main',
        ]),
  ]);
  const [moto, elasticmq] = started.map((engine) =>
    engine.status === 'fulfilled' ? engine.value : undefined,
  );
  const stop = async () => {
    await Promise.all([moto?.stop(), elasticmq?.stop()]);
  };
  for (const engine of started) {
    if (engine.status === 'fulfilled') continue;
    await stop();
    throw engine.reason;
  }
  project.provide('moto', moto?.url);
  project.provide('elasticmq', elasticmq?.url);
  return stop;
}

async function startEngine(command: string, argumentsFor: (port: number) => readonly string[]) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(command, argumentsFor(port), { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text: Buffer) => {
      output = (output + text.toString()).slice(-4000);
    });
  }
  child.on('error', (error) => {
    output += error.message;
  });
  const isOver = () => child.pid === undefined || child.exitCode !== null;
  const until = performance.now() + START_TIMEOUT_MS;
  while (!(await answers(url))) {
    if (isOver() || performance.now() > until) {
      child.kill('SIGKILL');
      throw new Error(`${command} did not start:\n${output}`);
    }
    await sleep(100);
  }
  return {
    url,
    async stop(): Promise<void> {
      if (isOver()) return;
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    },
  };
}

async function answers(url: string): Promise<boolean> {
  try {
    // Whatever it says.
    await (await fetch(url, { signal: AbortSignal.timeout(5000) })).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
