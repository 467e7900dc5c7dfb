// What `npm start` runs: the service with a cache of its compiled modules, so that every start but
// the first is a third faster. Plain JavaScript, because what is loaded before the cache is not in
// it, and reading TypeScript takes 100 ms and 14 MB. Where the folder cannot be written, nothing is
// cached. The image has compiled modules and runs main.js itself.
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/node', import.meta.url)));
await import('./main.ts');
