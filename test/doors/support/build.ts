import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Compiles the service as the image has it, once for all attacks. */
export default function build(): void {
  const cwd = fileURLToPath(new URL('../../../', import.meta.url));
  execFileSync(
    process.execPath,
    ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--sourceMap', 'false'],
    { cwd, stdio: 'inherit' },
  );
}
