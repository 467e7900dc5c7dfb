import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';

interface Deployment {
  readonly kind: string;
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly containers: readonly [
          {
            readonly env: readonly { readonly name: string; readonly value: string }[];
            readonly resources: { limits: { memory: string } };
          },
        ];
      };
    };
  };
}

/** What the shipped manifest lets the process have. */
export function readContainer(): { memoryBytes: number; runtimeFlags: readonly string[] } {
  const manifest = readFileSync('deploy/kubernetes/interaction-bridge.yaml', 'utf8');
  const deployment = parseAllDocuments(manifest)
    .map((document) => document.toJS() as Deployment)
    .find(({ kind }) => kind === 'Deployment');
  const [container] = deployment?.spec.template.spec.containers ?? [];
  const mebibytes = Number(/^(\d+)Mi$/.exec(container?.resources.limits.memory ?? '')?.[1]);
  const heap = container?.env.find(({ name }) => name === 'NODE_OPTIONS')?.value ?? '';
  const dockerfile = readFileSync('Dockerfile', 'utf8');
  const [, command = '[]'] = /^CMD (\[.*\])$/m.exec(dockerfile) ?? [];
  const [, ...flags] = JSON.parse(command) as string[];
  return {
    memoryBytes: mebibytes * 1_048_576,
    runtimeFlags: [...heap.split(' '), ...flags.slice(0, -1)],
  };
}
