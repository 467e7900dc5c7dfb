// What the process keeps of events and records is for its own user, however it was started.
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startProcess, startSandboxProcess } from './support/processes.ts';

test('files and folders of the service are closed to others, also those of an earlier version', async () => {
  const root = mkdtempSync(join(tmpdir(), 'private-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const old = join(root, 'old');
  mkdirSync(old);
  const fingerprints = join(old, 'fingerprints.db');
  writeFileSync(fingerprints, '');
  chmodSync(fingerprints, 0o666);
  chmodSync(old, 0o777);

  const sandbox = await startSandboxProcess({ SANDBOX_RATE: '20' });
  onTestFinished(() => sandbox.stop());
  const umask = process.umask(0);
  onTestFinished(() => void process.umask(umask));
  const service = await startProcess(
    {
      ...sandbox.environment,
      JOURNAL_PATH: join(root, 'new', 'deep', 'journal.db'),
      FINGERPRINT_PATH: fingerprints,
    },
    { waitFor: '/readyz' },
  );
  onTestFinished(async () => void (await service.stop('SIGKILL')));
  const answer = await fetch(`${service.url}/map`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"orgId":"acme","records":[{"ticketId":"T1"}]}',
  });
  expect(answer.status).toBe(200);

  const modes = Object.fromEntries(
    readdirSync(root, { recursive: true, encoding: 'utf8' }).map((name) => [
      name,
      (statSync(join(root, name)).mode & 0o777).toString(8),
    ]),
  );
  expect(modes).toEqual({
    new: '700',
    'new/deep': '700',
    'new/deep/journal.db': '600',
    'new/deep/journal.db-wal': '600',
    old: '777',
    'old/fingerprints.db': '600',
    'old/fingerprints.db-wal': '600',
  });
  const told = service.log.filter(({ open }) => open !== undefined);
  expect(told).toMatchObject([{ level: 'warn', open: [old] }]);
  expect(await service.stop()).toBe(0);
}, 30_000);
