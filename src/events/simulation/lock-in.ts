import { registerHooks } from 'node:module';
import { runInNewContext } from 'node:vm';

/** What the pipeline and its libraries use beside the language itself. */
const KEPT = [
  'Buffer',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'setTimeout',
  'clearTimeout',
];

/**
 * Takes from this process what Node's permission model leaves to it: network, signals to other
 * processes, SQLite, whatever a module could do that is not loaded yet. From now on no module can
 * be loaded, and of the globals only those of the language are there, so that code which gets out
 * of an expression or a schema finds nothing to go on with. There is no way back.
 */
export function lockIn(): void {
  registerHooks({
    resolve() {
      throw new Error('This process loads no further module');
    },
  });
  const language = runInNewContext('Object.getOwnPropertyNames(globalThis)') as string[];
  const kept = new Set<string | symbol>([...language, ...KEPT, Symbol.toStringTag]);
  for (const key of Reflect.ownKeys(globalThis)) {
    if (!kept.has(key)) Reflect.deleteProperty(globalThis, key);
  }
}
