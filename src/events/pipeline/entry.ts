import { isJsonObject, type JsonObject } from '../../lib/json-object.ts';
import type { BusEntry, RawEvent } from '../ports.ts';
import type { PipelineIssue } from './issue.ts';

export type BuiltEntry =
  | { readonly ok: true; readonly entry: BusEntry }
  | { readonly ok: false; readonly issues: readonly PipelineIssue[] };

const MAX_DETAIL_TYPE_LENGTH = 128;
const MAX_RESOURCE_LENGTH = 2048;
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/**
 * The transformed event as an entry for the bus. Checks what EventBridge asks of every entry, whatever
 * the schema says: an entry without these would be refused one by one after the journey.
 * `time` is the transformed event's, else the raw event's `createdTime`.
 */
export function buildEntry(transformed: JsonObject, event: RawEvent): BuiltEntry {
  const { source, 'detail-type': detailType, detail, resources = [] } = transformed;
  const time = dateOf(transformed['time'] ?? event['createdTime']);
  const traceHeader = traceparentOf(event);
  if (
    isText(source, Infinity) &&
    isText(detailType, MAX_DETAIL_TYPE_LENGTH) &&
    isJsonObject(detail) &&
    isResources(resources) &&
    time !== undefined
  ) {
    const entry = { source, detailType, detail: JSON.stringify(detail), time, resources };
    return { ok: true, entry: traceHeader === undefined ? entry : { ...entry, traceHeader } };
  }
  const issues: PipelineIssue[] = [];
  const check = (good: boolean, name: string, message: string): void => {
    if (!good) issues.push({ path: `/${name}`, keyword: 'entry', message });
  };
  check(isText(source, Infinity), 'source', 'must be a text');
  check(
    isText(detailType, MAX_DETAIL_TYPE_LENGTH),
    'detail-type',
    `must be a text of 1 to ${MAX_DETAIL_TYPE_LENGTH} characters`,
  );
  check(isJsonObject(detail), 'detail', 'must be an object');
  check(
    isResources(resources),
    'resources',
    `must be a list of texts of at most ${MAX_RESOURCE_LENGTH} characters`,
  );
  check(time !== undefined, 'time', 'must be a date and time');
  return { ok: false, issues };
}

function dateOf(value: unknown): Date | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

function traceparentOf(event: RawEvent): string | undefined {
  const traceparent = event['traceparent'];
  return typeof traceparent === 'string' && TRACEPARENT.test(traceparent) ? traceparent : undefined;
}

function isText(value: unknown, maxLength: number): value is string {
  return typeof value === 'string' && value !== '' && value.length <= maxLength;
}

function isResources(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => isText(item, MAX_RESOURCE_LENGTH));
}
