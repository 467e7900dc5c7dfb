import type { InteractionFacts } from '../../../events/pipeline/sample-event.ts';
import type { TraceStep } from '../../../events/simulation/simulate.ts';
import type { Overrides } from '../../../events/simulation/simulator.ts';
import type { JsonObject } from '../../../lib/json-object.ts';
import { Problem } from '../../problem.ts';
import type { JsonSchema } from '../../route.ts';

/** Events of one JSON body; NDJSON has no such limit. */
export const MAX_EVENTS = 1000;
const FACTS = ['interactionId', 'type', 'priority', 'createdTime', 'queue', 'eventType'] as const;
const OVERRIDES = ['expression', 'schema', 'filter'] as const;

const text = { type: 'string', maxLength: 1024 } as const;

export const simulateBody: JsonSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    interactionId: { ...text, description: 'Default: a new UUID' },
    type: { ...text, description: 'Default `voice`' },
    priority: { ...text, description: 'Default `high`' },
    createdTime: { ...text, description: 'ISO 8601; default now' },
    queue: { ...text, description: 'Name of the queue; default `Priority Support`' },
    eventType: { ...text, description: 'Default `created`' },
    event: { description: 'A raw event, instead of the fields above' },
    events: {
      type: 'array',
      minItems: 1,
      maxItems: MAX_EVENTS,
      items: {},
      description: 'Raw events; each has its own outcome',
    },
    expression: { type: 'string', description: 'JSONata to try instead of the configured one' },
    schema: {
      type: ['object', 'boolean'],
      description: 'JSON Schema of the transformed event to try; it is enforced',
    },
    filter: { type: 'object', description: 'Filter rules to try' },
  },
};

const outcome = {
  type: 'string',
  enum: ['publish', 'skip', 'dead-letter', 'pause'],
  description: 'What the worker would do with it',
} as const;
const issues = {
  type: 'array',
  items: {
    type: 'object',
    required: ['path', 'keyword', 'message'],
    properties: {
      path: { type: 'string' },
      keyword: { type: 'string' },
      message: { type: 'string' },
    },
  },
} as const;
const report = {
  type: 'string',
  description: "What this request simulated, as the line of the pipeline's report in the log",
  examples: [
    '[Pipeline Report] Ingested: 1 | Published: 1 | Failed: 0 | Success Rate: 100.00% | Avg Latency: 0.42ms',
  ],
} as const;
const outcomeCounts = {
  type: 'object',
  required: outcome.enum,
  properties: Object.fromEntries(outcome.enum.map((name) => [name, { type: 'integer' }])),
} as const;
const counts = {
  type: 'object',
  description: 'Simulated events by their outcome',
  required: ['thisRequest', 'sinceStart'],
  properties: { thisRequest: outcomeCounts, sinceStart: outcomeCounts },
} as const;
const STAGES: readonly TraceStep['stage'][] = ['read', 'filter', 'transform', 'validate', 'entry'];
const number = { type: 'number', minimum: 0 } as const;
const trace = {
  type: 'array',
  description: 'What each stage did, in their order, as far as the event got',
  items: {
    type: 'object',
    required: ['stage', 'ok'],
    properties: {
      stage: {
        type: 'string',
        enum: STAGES,
        description:
          '`read` is only there when the event has numbers with digits that JavaScript cannot hold: every stage sees them as text of the same digits, and `message` names them',
      },
      ok: { type: 'boolean' },
      ms: { ...number, description: 'Time that it took, in milliseconds' },
      message: { type: 'string', description: 'Of `read`' },
      version: {
        type: 'string',
        description: 'Of the filter, the expression or the schema that was used',
      },
      rule: { type: 'string', description: 'Of the filter: the rule that matched' },
      reason: { type: 'string', description: 'Of the filter: why none did' },
      output: { description: 'Of the transformation: what it made of the event' },
      mode: { type: 'string', description: 'Of the validation: whether it is enforced' },
      issues,
      bytes: { ...number, description: 'Size of the entry as the bus counts it' },
      maxBytes: { ...number, description: 'Size that the bus takes at most' },
      chunks: { ...number, description: 'Parts of 64 KB that AWS bills' },
    },
  },
} as const;
export const simulationAnswer: JsonSchema = {
  type: 'object',
  required: ['status', 'outcome', 'originalEvent', 'transformedEvent', 'latencyMs', 'trace'],
  properties: {
    status: { type: 'string', enum: ['simulated', 'validation_failed'] },
    outcome,
    originalEvent: {},
    transformedEvent: { description: 'null when the event did not get as far as that' },
    latencyMs: { type: 'number' },
    error: { type: 'string' },
    code: { type: 'string' },
    errors: issues,
    warnings: issues,
    trace,
    report,
    counts,
  },
};

export const manySimulations: JsonSchema = {
  type: 'object',
  required: ['status', 'results', 'report', 'counts'],
  properties: {
    status: { const: 'simulated' },
    results: { type: 'array', items: { type: 'object' } },
    report,
    counts,
  },
};

export function factsOf(input: JsonObject): InteractionFacts {
  const facts: Record<string, string> = {};
  for (const name of FACTS) {
    const value = input[name];
    if (typeof value === 'string') facts[name] = value;
  }
  return facts;
}

/** What is to be tried, if anything. @throws Problem when it is said in two ways what to simulate. */
export function overridesOf(input: JsonObject): Overrides | undefined {
  const ways = [
    FACTS.some((name) => Object.hasOwn(input, name)) ? 'the fields of an interaction' : undefined,
    Object.hasOwn(input, 'event') ? 'event' : undefined,
    Object.hasOwn(input, 'events') ? 'events' : undefined,
  ].filter((way) => way !== undefined);
  if (ways.length > 1) {
    throw new Problem(400, 'invalid_body', `The body has ${ways.join(' and ')}; allowed is one.`);
  }
  const given = OVERRIDES.filter((name) => Object.hasOwn(input, name));
  return given.length === 0
    ? undefined
    : Object.fromEntries(given.map((name) => [name, input[name]]));
}
