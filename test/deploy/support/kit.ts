import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';

export type Json = Readonly<Record<string, unknown>>;

export interface Resource {
  readonly Type: string;
  readonly Properties: Json;
}

export const template = parse(readFileSync('deploy/cloudformation.yaml', 'utf8'), {
  strict: true,
  uniqueKeys: true,
}) as { Parameters: Json; Conditions: Json; Resources: Record<string, Resource>; Outputs: Json };

export const ofType = (type: string) =>
  Object.entries(template.Resources).filter(([, { Type }]) => Type === type);

/** The documents of a file of `deploy/kubernetes`. */
export function manifestsIn(file: string) {
  const text = readFileSync(`deploy/kubernetes/${file}`, 'utf8');
  return parseAllDocuments(text).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS() as Json & { kind: string; metadata: Json; spec: Json };
  });
}

export const sourcesIn = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(`${folder}/${file}`, 'utf8'));

/** Every value under this key, at any depth. */
export function valuesOf(node: unknown, key: string): unknown[] {
  const found: unknown[] = [];
  if (typeof node !== 'object' || node === null) return found;
  for (const [name, value] of Object.entries(node) as [string, unknown][]) {
    if (name === key) found.push(value);
    found.push(...valuesOf(value, key));
  }
  return found;
}
export const stringsOf = (node: unknown, key: string) => valuesOf(node, key).flat().map(String);

/** `service:Action` of every call to AWS that the code makes. */
export function actionsOfTheCode(): Set<string> {
  const prefixes: Record<string, string> = {
    'client-eventbridge': 'events',
    'client-sqs': 'sqs',
    'client-cloudwatch': 'cloudwatch',
    'client-schemas': 'schemas',
    'client-dynamodb': 'dynamodb',
  };
  const needed = new Set<string>();
  for (const text of sourcesIn('src/aws')) {
    const client = /@aws-sdk\/(client-\w+)'/.exec(text)?.[1];
    for (const [, command = ''] of text.matchAll(/(?:new |command: )(\w+)Command\b/g)) {
      // SQS knows one permission for a call and its batch.
      needed.add(`${prefixes[client ?? '']}:${command.replace(/Batch$/, '')}`);
    }
  }
  return needed;
}
