// The deployment kit parses, and its names are those of the code.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { BYTES_PER_VALUE } from '../../src/http/body/json-guard.ts';
import { settings } from '../../src/settings/settings.ts';
import { heldBodyBytes } from '../../src/wiring/http.ts';
import { readContainer } from '../doors/support/container.ts';
import {
  actionsOfTheCode,
  type Json,
  manifestsIn,
  ofType,
  sourcesIn,
  stringsOf,
  template,
  valuesOf,
} from './support/kit.ts';

const manifestText = readFileSync('deploy/kubernetes/interaction-bridge.yaml', 'utf8');
const manifests = manifestsIn('interaction-bridge.yaml');
const dockerfile = readFileSync('Dockerfile', 'utf8');
const routes = sourcesIn('src/http').join('\n');

const firstGroups = (text: string, pattern: RegExp) =>
  Array.from(text.matchAll(pattern), ([, group = '']) => group);

function only(kind: string) {
  const [found, ...others] = manifests.filter((manifest) => manifest.kind === kind);
  if (found === undefined || others.length > 0) throw new Error(`There is not one ${kind}`);
  return found;
}

/** What the code sends to CloudWatch. */
const metricNames = new Set(
  [
    ...readFileSync('src/events/telemetry/metrics-sender.ts', 'utf8').matchAll(
      /'([A-Z][a-z]+[A-Z]\w+)'/g,
    ),
  ].map(([, name]) => name),
);
const [, namespace] =
  /NAMESPACE = '(\w+)'/.exec(readFileSync('src/aws/cloudwatch.ts', 'utf8')) ?? [];

test('CloudFormation refers only to what it declares', () => {
  const declared = new Set([
    ...Object.keys(template.Parameters),
    ...Object.keys(template.Resources),
  ]);
  const used = [
    ...stringsOf(template, 'Ref'),
    ...valuesOf(template, 'Fn::GetAtt').map((target) => String((target as string[])[0])),
    ...valuesOf(template, 'Fn::Sub').flatMap((text) =>
      [...String(text).matchAll(/\$\{([^}]+)\}/g)].map(([, name = '']) => name.split('.')[0] ?? ''),
    ),
  ].filter((name) => !name.startsWith('AWS::'));
  expect(used.filter((name) => !declared.has(name))).toEqual([]);
  expect(Object.keys(template.Parameters).filter((name) => !used.includes(name))).toEqual([]);
  const conditions = [
    ...stringsOf(template.Resources, 'Condition').filter((name) => !name.includes('object')),
    ...valuesOf(template, 'Fn::If').map((parts) => String((parts as unknown[])[0])),
  ];
  expect(new Set(conditions)).toEqual(new Set(Object.keys(template.Conditions)));
});

test('the role may do what the code does, and nothing else', () => {
  const needed = actionsOfTheCode();
  const [[, role] = [undefined, undefined]] = ofType('AWS::IAM::Role');
  const granted = stringsOf(role?.Properties['Policies'], 'Action');
  expect(new Set(granted)).toEqual(needed);
  expect(granted).toHaveLength(needed.size);

  const open = valuesOf(role?.Properties['Policies'], 'Statement')
    .flat()
    .filter((statement) => (statement as Json)['Resource'] === '*') as Json[];
  expect(open).toEqual([
    expect.objectContaining({
      Action: 'cloudwatch:PutMetricData',
      Condition: { StringEquals: { 'cloudwatch:namespace': namespace } },
    }),
  ]);

  const document = readFileSync('docs/permissions.md', 'utf8');
  const documented = document.slice(document.indexOf('## AWS')).match(/\b\w+:[A-Z]\w+/g);
  expect(new Set(documented)).toEqual(needed);
});

test('alarms are about real metrics, are told to somebody, and have a page in the runbook', () => {
  expect(metricNames.size).toBe(4);
  const headings = readFileSync('docs/runbook.md', 'utf8').match(/^## .+$/gm);
  const alarms = ofType('AWS::CloudWatch::Alarm');
  expect(alarms.map(([name]) => name).sort()).toEqual([
    'BufferAgeAlarm',
    'BufferLagAlarm',
    'DeadLetterAgeAlarm',
    'FailedEventsAlarm',
    'LagAlarm',
    'QuietAlarm',
    'StuckAlarm',
  ]);
  for (const [name, { Properties }] of alarms) {
    const heading = /docs\/runbook\.md, "(.+)"/.exec(String(Properties['AlarmDescription']))?.[1];
    expect(headings, name).toContain(`## ${heading}`);
    expect(Properties['AlarmActions'], name).toEqual([{ Ref: 'AlarmTopicArn' }]);
    const own = stringsOf(Properties, 'Namespace').every((space) => space === namespace);
    if (!own) {
      expect(stringsOf(Properties, 'Namespace')).toEqual(['AWS/SQS']);
      continue;
    }
    for (const metric of stringsOf(Properties, 'MetricName')) expect(metricNames).toContain(metric);
    const ids = stringsOf(Properties, 'Id');
    for (const expression of stringsOf(Properties, 'Expression')) {
      for (const [word] of expression.matchAll(/\b[a-z]+\b/g)) expect(ids).toContain(word);
    }
  }
});

test('six periods of the quiet alarm are whole minutes and no longer than a day', () => {
  const { AllowedValues, Default } = template.Parameters['QuietMinutes'] as {
    AllowedValues: number[];
    Default: number;
  };
  expect(AllowedValues).toContain(Default);
  for (const minutes of AllowedValues) {
    const periodSeconds = Number(`${minutes}0`);
    expect(periodSeconds % 60, `${minutes} minutes`).toBe(0);
    expect(6 * periodSeconds).toBe(minutes * 60);
    expect(6 * periodSeconds).toBeLessThanOrEqual(86_400);
  }
});

test('the dashboard is JSON and shows our metrics', () => {
  const [[, dashboard] = [undefined, undefined]] = ofType('AWS::CloudWatch::Dashboard');
  const [body] = stringsOf(dashboard?.Properties, 'Fn::Sub');
  const { widgets } = JSON.parse(body ?? '') as {
    widgets: { properties: { metrics: [string, string, ...unknown[]][] } }[];
  };
  const shown = widgets.flatMap(({ properties }) => properties.metrics);
  const ours = shown.filter(([space]) => space === namespace).map(([, name]) => name);
  expect(new Set(ours)).toEqual(metricNames);
  expect(new Set(shown.map(([space]) => space))).toEqual(new Set([namespace, 'AWS/SQS']));
});

test('dead letters are kept for 14 days and outlive the stack; the bus has an archive', () => {
  const [[, queue] = [undefined, undefined]] = ofType('AWS::SQS::Queue');
  expect(queue?.Properties['MessageRetentionPeriod']).toBe(14 * 24 * 60 * 60);
  expect(queue).toMatchObject({ DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
  const [[, archive] = [undefined, undefined]] = ofType('AWS::Events::Archive');
  expect(archive?.Properties['SourceArn']).toEqual({ 'Fn::GetAtt': ['Bus', 'Arn'] });
  // The source that the default expression gives to every event.
  expect(valuesOf(archive, 'source')).toEqual([['genesys.cloud']]);
  expect(readFileSync('config/event-transform.jsonata', 'utf8')).toContain('"genesys.cloud"');
});

test('the manifests set only settings that there are, and no secret in plain text', () => {
  const data = (only('ConfigMap')['data'] ?? {}) as Record<string, string>;
  const compose = parse(readFileSync('compose.yaml', 'utf8')) as unknown;
  const outputs = Object.values(template.Outputs).map((output) => (output as Json)['Description']);
  const names = [
    ...Object.keys(data),
    ...firstGroups(manifestText, /--from-(?:literal|file)=(\w+)=/g),
    ...outputs.filter((text) => typeof text === 'string').filter((text) => /^[A-Z_]+$/.test(text)),
    ...firstGroups(dockerfile, /^ *(?:ENV )?(\w+_PATH|NODE_ENV)=/gm),
    ...valuesOf(compose, 'environment').flatMap((environment) => Object.keys(environment ?? {})),
  ];
  expect(names.length).toBeGreaterThan(12);
  expect(names.filter((name) => !Object.hasOwn(settings, name))).toEqual([]);
  for (const [name, setting] of Object.entries(settings)) {
    if ('secret' in setting) expect(data, name).not.toHaveProperty(name);
  }
  for (const value of Object.values(data)) expect(value).toBeTypeOf('string');
});

test('ports, probes, volumes and times agree with the code and the image', () => {
  const deployment = only('Deployment');
  const [container] = valuesOf(deployment, 'containers').flat() as Json[];
  expect(stringsOf(container?.['ports'], 'containerPort')).toEqual([
    String(settings.PORT.default),
    String(stringsOf(only('ConfigMap'), 'PROBE_PORT')),
  ]);
  expect(dockerfile).toContain(`EXPOSE ${settings.PORT.default}`);
  expect(stringsOf(only('Service'), 'targetPort')).toEqual(['http']);

  const probes = Object.fromEntries(
    ['startupProbe', 'livenessProbe', 'readinessProbe'].map((probe) => [
      probe,
      stringsOf(container?.[probe], 'path')[0],
    ]),
  );
  expect(probes).toEqual({
    startupProbe: '/livez',
    livenessProbe: '/livez',
    readinessProbe: '/readyz?role=api',
  });
  for (const path of [...Object.values(probes), '/livez'])
    expect(routes).toContain(`path: '${path?.split('?')[0]}'`);
  expect(dockerfile).toMatch(/HEALTHCHECK[^]*\/livez/);

  const data = only('ConfigMap')['data'] as Record<string, string>;
  const graceSeconds = Number(stringsOf(deployment, 'terminationGracePeriodSeconds')[0]);
  expect(graceSeconds * 1000).toBeGreaterThan(Number(data['SHUTDOWN_TIMEOUT_MS']));
  const composeGrace = stringsOf(
    parse(readFileSync('compose.yaml', 'utf8')),
    'stop_grace_period',
  )[0];
  expect(Number.parseInt(composeGrace ?? '', 10) * 1000).toBeGreaterThan(
    settings.SHUTDOWN_TIMEOUT_MS.default,
  );

  expect(container?.['securityContext']).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  const mounts = stringsOf(container?.['volumeMounts'], 'mountPath');
  for (const [, folder] of dockerfile.matchAll(/_PATH=(\/\w+)\//g))
    expect(mounts).toContain(folder);
  // One owner of the journal at any time.
  expect(deployment.spec).toMatchObject({ replicas: 1, strategy: { type: 'Recreate' } });
  expect(stringsOf(only('PersistentVolumeClaim'), 'accessModes')).toEqual(['ReadWriteOncePod']);

  const labels = { 'app.kubernetes.io/name': 'interaction-bridge' };
  expect(valuesOf(only('PodDisruptionBudget'), 'matchLabels')).toEqual([labels]);
  expect(valuesOf(only('Service'), 'selector')).toEqual([labels]);
  expect(valuesOf(deployment.spec['template'], 'labels')).toEqual([labels]);
  const [[, identity] = [undefined, undefined]] = ofType('AWS::EKS::PodIdentityAssociation');
  expect(identity?.Properties['ServiceAccount']).toBe(only('ServiceAccount').metadata['name']);
  expect(stringsOf(deployment, 'serviceAccountName')).toEqual([
    identity?.Properties['ServiceAccount'],
  ]);
});

test('the network lets in callers and probes, and out what the service calls, and nothing else', () => {
  const { spec } = only('NetworkPolicy');
  expect(spec['policyTypes']).toEqual(['Ingress', 'Egress']);
  expect(spec['podSelector']).toEqual(only('Deployment').spec['selector']);
  const [container] = valuesOf(only('Deployment'), 'containers').flat() as Json[];
  expect(stringsOf(spec['ingress'], 'port')).toEqual(stringsOf(container?.['ports'], 'name'));

  const egress = spec['egress'] as { to?: unknown; ports: { protocol: string; port: number }[] }[];
  const open = egress.map(({ to, ports }) => {
    const where = to === undefined ? 'anywhere' : stringsOf(to, 'cidr').join(' ');
    return `${where}: ${ports.map(({ protocol, port }) => `${protocol} ${port}`).join(', ')}`;
  });
  expect(open).toEqual([
    'anywhere: UDP 53, TCP 53',
    'anywhere: TCP 443',
    // The addresses of the agent of EKS Pod Identity, which the SDK asks over plain HTTP.
    '169.254.170.23/32 fd00:ec2::23/128: TCP 80',
  ]);
  // What the manifest sets is called at the port that is open.
  const data = only('ConfigMap')['data'] as Record<string, string>;
  const addresses = Object.values(data).filter((value) => /^\w+:\/\//.test(value));
  expect(addresses.length).toBeGreaterThan(1);
  for (const address of addresses) {
    expect(new URL(address)).toMatchObject({ protocol: 'https:', port: '' });
  }
});

test('all stages of the image are of one base, which a build can pin', () => {
  const bases = firstGroups(dockerfile, /^FROM (\S+)/gm);
  expect(new Set(bases)).toEqual(new Set(['${NODE_IMAGE}']));
  expect(dockerfile.match(/^ARG NODE_IMAGE=(\S+)$/m)?.[1]).toBe('node:24-slim');
});

test('heap, memory and the defaults of what is held at once fit together', () => {
  const { memoryBytes, runtimeFlags } = readContainer();
  const print = 'process.stdout.write(String(v8.getHeapStatistics().heap_size_limit))';
  const heapBytes = Number(execFileSync(process.execPath, [...runtimeFlags, '-e', print]));
  // Beside the heap are Node itself, buffers, the journal's pages, and a child for overrides.
  expect(heapBytes).toBeGreaterThan(0.5 * memoryBytes);
  expect(heapBytes).toBeLessThan(0.6 * memoryBytes);

  const maxHeldBytes = heldBodyBytes(heapBytes);
  const largestBytes =
    settings.HTTP_BODY_LIMIT_BYTES.default +
    BYTES_PER_VALUE * settings.HTTP_MAX_JSON_VALUES.default;
  expect(maxHeldBytes).toBeGreaterThan(5 * largestBytes);
  // As much again for what is made of them, beside 200 MiB of events at full speed.
  expect(2 * maxHeldBytes + 200 * 1_048_576).toBeLessThan(heapBytes);
});

test('the image is tagged with the version of the package', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  expect(dockerfile).toContain(`ARG VERSION=${version}\n`);
  expect(stringsOf(only('Deployment'), 'image')).toEqual([`interaction-bridge:${version}`]);
});

test('the trial listens for its published port, which this machine alone reaches', () => {
  const { services } = parse(readFileSync('compose.yaml', 'utf8')) as { services: Json };
  const service = services['interaction-bridge'] as { environment: Json; ports: string[] };
  expect(service.environment['HOST']).toBe('0.0.0.0');
  for (const port of service.ports) expect(port).toMatch(/^127\.0\.0\.1:/);
});
