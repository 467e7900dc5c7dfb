// Adds to package-lock.json the optional packages of other platforms that npm leaves out when the
// registry it resolved against does not carry them; without these entries `npm ci` refuses the
// file. Asks the registry for the checksums that are missing. Run it after adding or updating
// packages: node tools/complete-lock.mjs
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const SYSTEMS = new Set([
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
]);
const PROCESSORS = new Set([
  'arm',
  'arm64',
  'ia32',
  'loong64',
  'mips64el',
  'ppc64',
  'riscv64',
  's390x',
  'wasm32',
  'x64',
]);

/** @typedef {{ version?: string, integrity?: string, link?: boolean, dev?: boolean, optionalDependencies?: Record<string, string> }} Entry */
const lock = /** @type {{ packages: Record<string, Entry> }} */ (
  JSON.parse(readFileSync('package-lock.json', 'utf8'))
);
let added = 0;
for (const [path, { dev, optionalDependencies = {} }] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    if (
      `node_modules/${name}` in lock.packages ||
      `${path}/node_modules/${name}` in lock.packages
    ) {
      continue;
    }
    const words = name.split('/').pop()?.split(/[-.]/) ?? [];
    const os = words.filter((word) => SYSTEMS.has(word));
    const cpu = words.filter((word) => PROCESSORS.has(word));
    if (os.length !== 1) continue;
    const libc = words.some((word) => word.startsWith('musl')) ? 'musl' : 'glibc';
    const entry = {
      version,
      cpu,
      ...(dev === true && { dev }),
      ...(os.includes('linux') && { libc: [libc] }),
      optional: true,
      os,
    };
    lock.packages[`node_modules/${name}`] = entry;
    added += 1;
  }
}
for (const [path, entry] of Object.entries(lock.packages)) {
  if (path === '' || entry.link === true || entry.integrity !== undefined) continue;
  const name = path.split('node_modules/').pop();
  const asked = ['view', `${name}@${entry.version}`, 'dist.integrity'];
  const integrity = execFileSync('npm', asked, { encoding: 'utf8' }).trim();
  if (integrity === '') throw new Error(`The registry has no checksum of ${path}`);
  entry.integrity = integrity;
}
const [root, ...others] = Object.entries(lock.packages);
if (root !== undefined) {
  lock.packages = Object.fromEntries([
    root,
    ...others.sort(([a], [b]) => a.localeCompare(b, 'en')),
  ]);
}
writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${added} entries added`);
