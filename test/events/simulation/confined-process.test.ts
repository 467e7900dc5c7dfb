import { execFile } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  confinedArguments,
  startConfined,
} from '../../../src/events/simulation/confined-process.ts';
import { startSimulateServer } from './support/simulate-server.ts';

const HEAP_BYTES = 64 * 1_048_576;
const SIMULATION = new URL('../../../src/events/simulation/', import.meta.url);

/** What became of an attempt, from inside a process that was started like the real one. */
async function attempt(code: string, isLockedIn: boolean, environment = {}): Promise<string> {
  const lock = `const { lockIn } = await import('${new URL('lock-in.ts', SIMULATION).href}'); lockIn();`;
  // Code that got out of an expression comes as a text that is made a function.
  const script = `
    const write = process.stdout.write.bind(process.stdout);
    ${isLockedIn ? lock : ''}
    const AsyncFunction = (async () => {}).constructor;
    await new AsyncFunction(${JSON.stringify(code)})().then(
      (value) => write('got: ' + value),
      (error) => write('refused: ' + (error?.code ?? error)),
    );`;
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [...confinedArguments(HEAP_BYTES), '--input-type=module', '-e', script],
      { env: environment },
      (_, stdout) => resolve(stdout),
    );
  });
}

describe.skipIf(process.platform !== 'linux')('the permission model', () => {
  test.each([
    ['the environment of the service', `fs.readFileSync('/proc/${process.pid}/environ')`],
    ['its memory', `fs.openSync('/proc/${process.pid}/mem', 'r')`],
    ['settings', `fs.readFileSync(${JSON.stringify(fileOf('.env.example'))})`],
    ['the configuration', `fs.readdirSync(${JSON.stringify(fileOf('config'))})`],
    ['the machine', "fs.readFileSync('/etc/passwd')"],
    ['a file to write', "fs.writeFileSync('/tmp/confined', '')"],
    ['its own code, to write', `fs.writeFileSync(${JSON.stringify(fileOf('src/app.ts'))}, '')`],
    ['a program', "process.getBuiltinModule('node:child_process').execFileSync('/bin/true')"],
    [
      'a thread',
      "new (process.getBuiltinModule('node:worker_threads').Worker)('', { eval: true })",
    ],
    ['a debugger', "process.getBuiltinModule('node:inspector').open(0)"],
    ['native code', "process.dlopen({ exports: {} }, '/lib/x.node')"],
    ["Node's bindings", "process.binding('tcp_wrap')"],
  ])('does not give it %s', async (_, code) => {
    const withFiles = `const fs = process.getBuiltinModule('node:fs'); return ${code};`;
    expect(await attempt(withFiles, false)).toMatch(
      /^refused: (?:ERR_ACCESS_DENIED|ERR_DLOPEN_DISABLED)$/,
    );
  });
});

describe('what is locked in', () => {
  test.each([
    ['the process', 'return process.pid'],
    ['a signal for the service', `return process.kill(${process.pid}, 0)`],
    ['fetch', "return fetch('http://127.0.0.1')"],
    ['a web socket', "return new WebSocket('ws://127.0.0.1')"],
    ['a module of Node', "return (await import('node:net')).connect(1)"],
    ['name servers', "return (await import('node:dns')).lookup('localhost')"],
    ['a database', "return (await import('node:sqlite')).DatabaseSync"],
    ['a module that it may read', `return import(${JSON.stringify(SIMULATION.href)} + 'tally.ts')`],
    ['a module in the address', "return import('data:text/javascript,export default 1')"],
    ['require', "return require('node:net')"],
    ['the global object by its other name', 'return global.process'],
  ])('does not reach %s', async (_, code) => {
    expect(await attempt(code, true)).toMatch(/^refused: /);
  });

  test('has the language and a handful of globals', async () => {
    const code = 'return Reflect.ownKeys(globalThis).map(String).filter((k) => !/^[A-Z]/.test(k))';
    expect((await attempt(code, true)).replace('got: ', '').split(',').toSorted()).toEqual(
      (
        'clearTimeout,performance,queueMicrotask,setImmediate,setTimeout,' +
        'console,decodeURI,decodeURIComponent,encodeURI,encodeURIComponent,escape,eval,' +
        'globalThis,isFinite,isNaN,parseFloat,parseInt,undefined,unescape'
      )
        .split(',')
        .toSorted(),
    );
  });

  test('would reach a server without it: the attempts themselves are sound', async () => {
    const server = createServer((socket) => socket.end());
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    const code = `const { connect } = await import('node:net');
    return new Promise((resolve, reject) => {
      connect(${port}, '127.0.0.1', () => resolve('connected')).on('error', reject);
    })`;
    expect(await attempt(code, false)).toBe('got: connected');
    expect(await attempt(code, true)).toMatch(/^refused: Error: This process loads no further/);
  });
});

describe.skipIf(process.platform !== 'linux')('a process that is confined', () => {
  test('is what runs a configuration that is tried: no environment, no debugger', async () => {
    vi.stubEnv('GENESYS_CLIENT_SECRET', 'sesame');
    onTestFinished(() => void vi.unstubAllEnvs());
    const { send } = await startSimulateServer({ overrides: { timeoutMs: 4000 } });
    const abort = new AbortController();
    const pending = send(
      { expression: '($f := function($x){$f($x + 1)}; $f(0))' },
      abort.signal,
    ).catch(() => undefined);
    const pid = await vi.waitFor(async () => {
      const found = (await childrenOf(process.pid)).find((child) =>
        command(child).some((word) => word.includes('override-child')),
      );
      expect(found).toBeDefined();
      return found ?? 0;
    }, 5000);
    expect(command(pid)).toEqual(expect.arrayContaining(confinedArguments(HEAP_BYTES)));
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    expect(environment.filter((line) => !/^(?:NODE_CHANNEL_\w+=.*)?$/.test(line))).toEqual([]);
    // Nobody has to read what it writes.
    for (const fd of [1, 2]) expect(readlinkSync(`/proc/${pid}/fd/${fd}`)).toBe('/dev/null');
    process.kill(pid, 'SIGUSR1');
    await expect(connected(9229)).rejects.toThrow('ECONNREFUSED');
    expect(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8').trim()).toBe('1000');
    abort.abort();
    await pending;
  });

  test('is killed when its memory beside the heap is too much', async () => {
    // Node alone takes more than these 32 MiB.
    const child = startConfined(new URL('override-child.ts', SIMULATION), 32 * 1_048_576, 0);
    const by = await new Promise((resolve) => {
      child.once('exit', (_, signal) => resolve(signal));
    });
    expect(by).toBe('SIGKILL');
  });
});

function fileOf(name: string): string {
  return fileURLToPath(new URL(`../../../${name}`, import.meta.url));
}

function command(pid: number): string[] {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
}

async function childrenOf(parent: number): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  return pids
    .filter((pid) => {
      try {
        const [, rest = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
        return Number(rest.split(' ')[1]) === parent;
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function connected(port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    connect(port, '127.0.0.1', resolve).on('error', reject);
  });
}
