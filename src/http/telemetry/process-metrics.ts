import type { Health } from '../../lib/health/health.ts';
import { Counter, Gauge, type Registry } from '../../lib/metrics.ts';
import type { About } from '../about.ts';

/**
 * Memory, CPU time and age of the process, read when a scraper asks. prom-client's own collection
 * is not used: it keeps observers that outlive an app and would count two apps as one.
 */
export function registerProcessMetrics(registry: Registry, about: About): void {
  const registers = [registry];
  const memory: Gauge = new Gauge({
    name: 'bridge_process_memory_bytes',
    help: 'Memory of the process by kind',
    labelNames: ['kind'],
    registers,
    collect() {
      const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
      for (const [kind, bytes] of Object.entries({ rss, heapTotal, heapUsed, external })) {
        memory.set({ kind }, bytes);
      }
    },
  });
  const cpu: Counter = new Counter({
    name: 'bridge_process_cpu_seconds_total',
    help: 'CPU time of the process',
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      cpu.reset();
      cpu.inc((user + system) / 1e6);
    },
  });
  const uptime: Gauge = new Gauge({
    name: 'bridge_process_uptime_seconds',
    help: 'Time since the process began',
    registers,
    collect: () => uptime.set(process.uptime()),
  });
  new Gauge({
    name: 'bridge_build_info',
    help: 'Always 1; the labels say what is running',
    labelNames: ['version', 'commit', 'node'],
    registers,
  }).set({ version: about.version, commit: about.commit ?? '', node: process.versions.node }, 1);
}

/** Readiness for alarms: a probe that asks for one role says nothing of the others. */
export function registerReadiness(
  registry: Registry,
  health: Pick<Health, 'readyFor'>,
  roles: ReadonlySet<string>,
): void {
  void new Gauge({
    name: 'bridge_ready',
    help: '1 while all is up that the role needs, as GET /readyz?role=… says',
    labelNames: ['role'],
    registers: [registry],
    collect() {
      for (const role of roles) this.set({ role }, Number(health.readyFor(role)));
    },
  });
}
