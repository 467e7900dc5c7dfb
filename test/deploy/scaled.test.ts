// The manifests and policies for several machines: each role by itself.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { problemsBetweenSettings } from '../../src/settings/rules.ts';
import { settings } from '../../src/settings/settings.ts';
import {
  actionsOfTheCode,
  type Json,
  manifestsIn,
  ofType,
  stringsOf,
  template,
  valuesOf,
} from './support/kit.ts';

const scaled = manifestsIn('scaled.yaml');
const CALLERS = ['API_KEYS'];
const GENESYS = [
  'GENESYS_CLIENT_ID',
  'GENESYS_CLIENT_SECRET',
  'OAUTH_CLIENT_ID',
  'OAUTH_SUBJECT',
  'OAUTH_PRIVATE_KEY',
];
const SECRETS: Readonly<Record<string, readonly string[]>> = {
  'interaction-bridge': [...GENESYS, ...CALLERS],
  'interaction-bridge-callers': CALLERS,
};

function named(kind: string, role: string) {
  const found = scaled.find(
    (manifest) =>
      manifest.kind === kind && manifest.metadata['name'] === `interaction-bridge-${role}`,
  );
  if (found === undefined) throw new Error(`There is no ${kind} of the role ${role}`);
  return found;
}
const data = (scaled.find(({ kind }) => kind === 'ConfigMap')?.['data'] ?? {}) as Json;

describe.each([
  ['reader', 'StatefulSet'],
  ['publisher', 'Deployment'],
  ['api', 'Deployment'],
])('%s', (role, kind) => {
  const workload = named(kind, role);
  const labels = { 'app.kubernetes.io/name': `interaction-bridge-${role}` };
  const [container] = valuesOf(workload, 'containers').flat() as Json[];
  const ownNames = (container?.['env'] as { name: string; value?: string }[]) ?? [];

  test('has the settings of its role, and only settings that there are', () => {
    const values: Record<string, unknown> = { ...data, WORKER_ENABLED: true };
    for (const { name, value } of ownNames) values[name] = value ?? 'of the pod';
    for (const reference of valuesOf(container, 'secretRef') as { name: string }[]) {
      for (const name of SECRETS[reference.name] ?? []) values[name] = 'secret';
    }
    expect(values['ROLES']).toBe(role);
    expect(Object.keys(values).filter((name) => !Object.hasOwn(settings, name))).toEqual([]);
    for (const [name, setting] of Object.entries(settings)) {
      if ('secret' in setting) expect({ ...data }, name).not.toHaveProperty(name);
    }
    const production = { ...values, NODE_ENV: 'production' };
    expect(problemsBetweenSettings(production, production)).toEqual([]);
    const secrets = Object.keys(values).filter((name) => GENESYS.includes(name));
    if (role === 'publisher') expect(secrets).toEqual([]);
    else expect(secrets).toEqual(GENESYS);
  });

  test('is asked on the port of its probes whether it can do its own work', () => {
    expect(stringsOf(container?.['ports'], 'containerPort')).toEqual([
      String(settings.PORT.default),
      data['PROBE_PORT'],
    ]);
    const probes = ['startupProbe', 'livenessProbe', 'readinessProbe'].map(
      (probe) => valuesOf(container?.[probe], 'httpGet')[0],
    );
    expect(probes).toEqual([
      { path: '/livez', port: 'probes' },
      { path: '/livez', port: 'probes' },
      { path: `/readyz?role=${role}`, port: 'probes' },
    ]);
    const graceSeconds = Number(stringsOf(workload, 'terminationGracePeriodSeconds')[0]);
    expect(graceSeconds * 1000).toBeGreaterThan(Number(data['SHUTDOWN_TIMEOUT_MS']));
  });

  test('is found by its names, is hardened, and never all away at once', () => {
    expect(valuesOf(workload.spec['selector'], 'matchLabels')).toEqual([labels]);
    expect(valuesOf(workload.spec['template'], 'labels')).toEqual([labels]);
    const budget = named('PodDisruptionBudget', role).spec;
    expect(budget).toEqual({ maxUnavailable: 1, selector: { matchLabels: labels } });
    expect(stringsOf(workload, 'serviceAccountName')).toEqual([
      named('ServiceAccount', role).metadata['name'],
    ]);
    const identities = ofType('AWS::EKS::PodIdentityAssociation').map(
      ([, { Properties }]) => Properties['ServiceAccount'],
    );
    expect(identities).toContain(`interaction-bridge-${role}`);
    expect(container?.['securityContext']).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(container?.['image']).toBe(`interaction-bridge:${version}`);
  });

  test('has the files of operators where the image has them, and writes only where it may', () => {
    const mounts = container?.['volumeMounts'] as { name: string; mountPath: string }[];
    expect(mounts).toContainEqual({ name: 'files', mountPath: '/app/config', readOnly: true });
    const dockerfile = readFileSync('Dockerfile', 'utf8');
    expect(dockerfile).toContain('WORKDIR /app\n');
    for (const { default: path } of [settings.EVENT_FILTER_FILE, settings.MAPPING_FILE])
      expect(path).toMatch(/^config\//);
    const volumes = [
      ...(valuesOf(workload.spec['template'], 'volumes').flat() as Json[]).map(
        ({ name }) => name as string,
      ),
      ...(valuesOf(workload.spec, 'volumeClaimTemplates').flat() as { metadata: Json }[]).map(
        ({ metadata }) => metadata['name'] as string,
      ),
    ];
    expect(mounts.map(({ name }) => name).sort()).toEqual(volumes.sort());
    // A journal or fingerprints.
    expect(volumes.includes('data')).toBe(role !== 'publisher');
  });
});

test('two readers, each with a name and a journal of its own, are replaced one by one', () => {
  const { spec } = named('StatefulSet', 'reader');
  expect(spec).toMatchObject({
    replicas: 2,
    serviceName: named('Service', 'reader').metadata['name'],
    updateStrategy: { type: 'RollingUpdate' },
  });
  expect(valuesOf(spec, 'fieldRef')).toEqual([{ fieldPath: 'metadata.name' }]);
  expect(stringsOf(spec['volumeClaimTemplates'], 'accessModes')).toEqual(['ReadWriteOncePod']);
});

test('publishers are scaled by one of two, over the same bounds and the same queue', () => {
  const [hpa] = manifestsIn('publisher-hpa.yaml');
  const [authentication, keda] = manifestsIn('publisher-keda.yaml');
  expect(named('Deployment', 'publisher').spec).not.toHaveProperty('replicas');
  for (const scaler of [hpa, keda])
    expect(scaler?.spec['scaleTargetRef']).toMatchObject({ name: 'interaction-bridge-publisher' });
  expect([keda?.spec['minReplicaCount'], keda?.spec['maxReplicaCount']]).toEqual([
    hpa?.spec['minReplicas'],
    hpa?.spec['maxReplicas'],
  ]);
  expect(stringsOf(keda, 'queueURL')).toEqual([data['BUFFER_QUEUE_URL']]);
  expect(stringsOf(keda, 'awsRegion')).toEqual([data['AWS_REGION']]);
  expect(stringsOf(keda, 'value')).toEqual(stringsOf(hpa, 'averageUtilization'));
  expect(valuesOf(keda, 'authenticationRef')).toEqual([{ name: authentication?.metadata['name'] }]);
});

test('the queue is of high throughput, keeps events as long as SQS can, and outlives the stack', () => {
  expect(template.Resources['Buffer']).toMatchObject({
    DeletionPolicy: 'Retain',
    UpdateReplacePolicy: 'Retain',
    Properties: {
      FifoQueue: true,
      DeduplicationScope: 'messageGroup',
      FifoThroughputLimit: 'perMessageGroupId',
      MessageRetentionPeriod: 1_209_600,
      MaximumMessageSize: 1_048_576,
    },
  });
  const lag = template.Resources['BufferLagAlarm']?.Properties;
  const age = template.Resources['BufferAgeAlarm']?.Properties;
  expect([lag?.['Threshold'], age?.['Threshold']]).toEqual([60, 86_400]);
});

/** Actions by the queue, bus or other thing they are granted for. */
function grantsOf(role: string): Record<string, string[]> {
  const policies = template.Resources[`${role}Role`]?.Properties['Policies'];
  const targets = valuesOf(policies, 'Resource').map(
    (resource) => (valuesOf(resource, 'Fn::GetAtt') as [string, string][])[0]?.[0] ?? 'other',
  );
  const grants: Record<string, string[]> = {};
  for (const [index, actions] of valuesOf(policies, 'Action').entries()) {
    const target = targets[index] ?? '';
    grants[target] = [...(grants[target] ?? []), ...[actions].flat().map(String)].sort();
  }
  return grants;
}

const LOOK = 'sqs:GetQueueAttributes';
const HOLD = ['sqs:ChangeMessageVisibility', 'sqs:DeleteMessage', LOOK, 'sqs:ReceiveMessage'];
const FILL = [LOOK, 'sqs:SendMessage'];

test('each role may do what it does, and the three together what the code does', () => {
  expect(grantsOf('Reader')).toEqual({
    Buffer: FILL,
    DeadLetterQueue: FILL,
    other: ['cloudwatch:PutMetricData'],
  });
  expect(grantsOf('Publisher')).toEqual({
    Buffer: HOLD,
    Bus: ['events:DescribeEventBus', 'events:PutEvents'],
    DeadLetterQueue: FILL,
    other: ['cloudwatch:PutMetricData', 'schemas:DescribeSchema'],
  });
  expect(grantsOf('Api')).toEqual({
    Buffer: FILL,
    DeadLetterQueue: HOLD,
    FingerprintTable: ['dynamodb:BatchGetItem', 'dynamodb:DescribeTable', 'dynamodb:UpdateItem'],
    other: ['schemas:DescribeSchema'],
  });
  const granted = ['Reader', 'Publisher', 'Api'].flatMap((role) =>
    Object.values(grantsOf(role)).flat(),
  );
  expect(new Set(granted)).toEqual(actionsOfTheCode());
});
