import { type ServiceProcess, startProcess } from '../../test/support/processes.ts';
import type { Problems } from './problems.ts';
import { type Sample, sampleOf } from './resources.ts';

/** The parts of `/status` that a soak looks at. */
export interface Status {
  readonly pipeline: {
    readonly ingested: number;
    readonly published: number;
  };
  readonly worker: {
    readonly stream: { readonly state: string };
    readonly journal: { readonly events: number; readonly letters: number };
  };
}

/** One process of the service, from its start to its end. */
export interface Life {
  readonly process: ServiceProcess;
  readonly samples: Sample[];
  /** It has been sent a signal: what is cut off from now on is no problem. */
  ending: boolean;
  /** The last that was seen. */
  status: Status | undefined;
}

/** When a connection to the event stream ended, in epoch milliseconds. */
export interface ConnectionEnd {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Lives {
  /** The one that runs, if one does. */
  readonly running: Life | undefined;
  /** All of them, oldest first. */
  readonly all: readonly Life[];
  /** As far as the service knew, and its own ends. */
  readonly connectionEnds: readonly ConnectionEnd[];
  /** Resolves when `/livez` answers. */
  start(): Promise<void>;
  /** Sends the signal and waits; its exit code, `undefined` when it was killed. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | undefined>;
  /** At once, without any check. */
  abandon(): Promise<void>;
}

const SAMPLE_MS = 1000;

/** A soak that is killed itself takes its service with it. */
const ENDS_WITH_PARENT =
  "data:text/javascript,const parent=process.ppid;setInterval(()=>process.ppid===parent||process.kill(process.pid,'SIGKILL'),500).unref()";

export function createLives(options: {
  readonly environment: Readonly<Record<string, string>>;
  readonly problems: Problems;
}): Lives {
  const { environment, problems } = options;
  const all: Life[] = [];
  const connectionEnds: ConnectionEnd[] = [];
  let running: Life | undefined;
  let sampler: NodeJS.Timeout | undefined;

  /** What its log says that must not be, and when the stream broke. */
  function readLog(log: ServiceProcess['log']): void {
    for (const entry of log) {
      const message = String(entry['msg'] ?? entry['text']);
      if (message.startsWith('The event stream is not working')) {
        const atMs = Date.parse(String(entry['time']));
        connectionEnds.push({ fromMs: atMs, toMs: atMs });
      }
      const is500 = entry['method'] !== undefined && entry['status'] === 500;
      if (entry['level'] === 'error' || entry['level'] === 'fatal' || is500) {
        problems.add('error in the log', JSON.stringify(entry));
      }
      if (/The sandbox itself failed/.test(JSON.stringify(entry))) {
        problems.add('bug of the sandbox', JSON.stringify(entry));
      }
    }
  }

  async function end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | undefined> {
    const life = running;
    if (life === undefined) return undefined;
    life.ending = true;
    clearInterval(sampler);
    const fromMs = Date.now();
    const code = await life.process.stop(signal);
    running = undefined;
    connectionEnds.push({ fromMs, toMs: Date.now() });
    readLog(life.process.log);
    return code;
  }

  return {
    get running() {
      return running;
    },
    all,
    connectionEnds,
    async start() {
      const process = await startProcess(environment, {
        waitFor: '/livez',
        nodeArguments: [`--import=${ENDS_WITH_PARENT}`],
      });
      const life: Life = { process, samples: [], ending: false, status: undefined };
      process.child.once('exit', (code, signal) => {
        if (!life.ending) problems.add('the service ended by itself', `${code ?? signal}`);
      });
      all.push(life);
      running = life;
      sampler = setInterval(() => {
        const sample = sampleOf(process.pid);
        if (sample !== undefined) life.samples.push(sample);
      }, SAMPLE_MS);
    },
    end,
    async abandon() {
      if (running !== undefined) running.ending = true;
      clearInterval(sampler);
      await running?.process.stop('SIGKILL');
    },
  };
}
