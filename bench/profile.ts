import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** With `--profile`: where the service's CPU profiles go. */
export const profileFolder = process.argv.includes('--profile')
  ? mkdtempSync(join(tmpdir(), 'interaction-bridge-profile-'))
  : undefined;

/** Arguments for the Node that is to be profiled. */
export const profileArguments: readonly string[] =
  profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`];

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
  }[];
  readonly samples: readonly number[];
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[];
}

/** The ten functions with the most own time in each profile of a folder. */
export function printHottest(folder: string): void {
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.cpuprofile'))) {
    const profile = JSON.parse(readFileSync(join(folder, name), 'utf8')) as CpuProfile;
    const frames = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
    const ownUs = new Map<string, number>();
    let busyUs = 0;
    for (const [index, id] of profile.samples.entries()) {
      const frame = frames.get(id);
      const us = profile.timeDeltas[index] ?? 0;
      if (frame === undefined || frame.functionName === '(idle)') continue;
      busyUs += us;
      const place = frame.url.replace(/^.*\/(node_modules|src)\//, '$1/');
      const key = `${frame.functionName || '(anonymous)'} ${place}${place === '' ? '' : `:${frame.lineNumber + 1}`}`;
      ownUs.set(key, (ownUs.get(key) ?? 0) + us);
    }
    console.log(`\n${join(folder, name)}: ${(busyUs / 1e6).toFixed(1)} s busy; own time:`);
    const hottest = [...ownUs].sort(([, a], [, b]) => b - a).slice(0, 10);
    for (const [key, us] of hottest) {
      console.log(`  ${((us / busyUs) * 100).toFixed(1).padStart(5)} %  ${key}`);
    }
  }
}
