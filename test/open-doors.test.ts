// Without authentication the service is for this machine, and what is open is said.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { digestOf } from '../src/http/auth/api-keys.ts';
import { startAppWithSandbox } from './support/app.ts';
import { startProcess } from './support/processes.ts';

const elsewhere = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.family === 'IPv4' && !address.internal)?.address;

async function start(environment: Record<string, string>) {
  const app = await startAppWithSandbox({}, { WORKER_ENABLED: 'false', HOST: '', ...environment });
  onTestFinished(() => app.stop());
  const reached = async (host: string) =>
    fetch(app.url.replace('127.0.0.1', host)).then(
      () => true,
      () => false,
    );
  const said = app.log.filter(({ msg }) => /^(?:AUTH_MODE|TRUST_PROXY)=/.test(String(msg)));
  return { ...app, reached, said };
}

test.skipIf(elsewhere === undefined)(
  'nobody is asked: only this machine reaches it, unless HOST says else',
  async () => {
    const closed = await start({});
    expect(await closed.reached('127.0.0.1')).toBe(true);
    expect(await closed.reached(elsewhere ?? '')).toBe(false);
    expect(closed.said).toMatchObject([{ level: 'info', host: '127.0.0.1' }]);

    const open = await start({ HOST: '0.0.0.0', SIMULATE_OVERRIDES: 'true' });
    expect(await open.reached(elsewhere ?? '')).toBe(true);
    expect(open.said).toMatchObject([
      { level: 'warn', host: '0.0.0.0', configurationsTried: true, msg: /whoever reaches/ },
    ]);
  },
);

test.skipIf(elsewhere === undefined)('callers have keys: it is reached as ever', async () => {
  const keys = `crm:map:${digestOf('ib_a-key-of-a-test').toString('hex')}`;
  const app = await start({ AUTH_MODE: 'api-key', API_KEYS: keys });
  expect(await app.reached(elsewhere ?? '')).toBe(true);
  expect(app.said).toEqual([]);
});

test('a proxy that is believed whatever it says is warned of', async () => {
  const { said } = await start({ TRUST_PROXY: 'true' });
  expect(said).toMatchObject([{ level: 'info' }, { level: 'warn', msg: /^TRUST_PROXY=true: / }]);
  expect((await start({ TRUST_PROXY: '1' })).said).toHaveLength(1);
});

test('real credentials and not a word about callers: it does not start', async () => {
  const child = spawn(process.execPath, ['src/main.ts'], {
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      WORKER_ENABLED: 'false',
      GENESYS_CLIENT_ID: 'id',
      GENESYS_CLIENT_SECRET: 'secret',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [errors] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  expect(child.exitCode).toBe(78);
  expect(errors).toContain('- AUTH_MODE: not set; with credentials for Genesys it must be said');
});

test('a trial needs no word, but follows one', async () => {
  const trial = await startProcess({ HOST: '' }, { waitFor: '/livez' });
  onTestFinished(async () => void (await trial.stop()));
  expect((await fetch(`${trial.url}/status`)).status).toBe(200);

  const keys = `ops:operate:${digestOf('ib_a-key-of-a-test').toString('hex')}`;
  const asking = await startProcess({ AUTH_MODE: 'api-key', API_KEYS: keys });
  onTestFinished(async () => void (await asking.stop()));
  expect((await fetch(`${asking.url}/status`)).status).toBe(401);
});
