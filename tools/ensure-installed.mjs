// Runs before `npm start` and `npm test`, on whatever Node is there and without any package:
// installs the packages when they are missing or older than the lock file.
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';

/** @param {string} path */
const modifiedMs = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
const installed = modifiedMs('node_modules/.package-lock.json');

if (installed === 0 || installed < modifiedMs('package-lock.json')) {
  const why = installed === 0 ? 'not installed yet' : 'older than package-lock.json';
  console.error(`Packages are ${why}: running "npm ci" once, this takes a moment ...`);
  const npm = process.env['npm_execpath'];
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const result = npm
    ? spawnSync(process.execPath, [npm, ...args], { stdio: 'inherit' })
    : spawnSync('npm', args, { stdio: 'inherit', shell: process.platform === 'win32' });
  if (result.status !== 0) {
    console.error('"npm ci" failed: see its message above.');
    process.exit(result.status ?? 1);
  }
}

const runtime = spawnSync('node', ['--version'], {
  encoding: 'utf8',
  shell: process.platform === 'win32',
});
if (Number(/^v(\d+)/.exec(runtime.stdout ?? '')?.[1] ?? 0) < 24) {
  console.error(
    `Node 24 or newer is needed; found ${(runtime.stdout ?? '').trim() || 'none'}. It comes with the package "node": ` +
      'run "npm ci" with install scripts allowed, or install Node 24.',
  );
  process.exit(1);
}
