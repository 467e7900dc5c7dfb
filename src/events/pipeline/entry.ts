import { isJsonObject, type JsonObject } from '../../lib/json-object.ts';
import type { BusEntry, RawEvent } from '../ports.ts';
import { EVENT_TIME_RULE, parseEventTime } from './event-time.ts';
import type { PipelineIssue } from './issue.ts';

export type BuiltEntry =
  | { readonly ok: true; readonly entry: BusEntry }
  | { readonly ok: false; readonly issues: readonly PipelineIssue[] };

const MAX_DETAIL_TYPE_LENGTH = 128;
const MAX_RESOURCE_LENGTH = 2048;
const MAX_DETAIL_DEPTH = 1000;
/** AWS keeps these for its own services and refuses them from everybody else. */
const RESERVED_SOURCE = 'aws.';
/** Every text with such a number, and few others. */
const MAYBE_TOO_LARGE = /\d{19}/;
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/**
 * The transformed event as an entry for the bus. Checks what EventBridge asks of every entry, whatever
 * the schema says: an entry without these would be refused one by one after the journey.
 * `time` is the transformed event's, else the raw event's `createdTime`.
 */
export function buildEntry(transformed: JsonObject, event: RawEvent): BuiltEntry {
  const { source, 'detail-type': detailType, detail, resources = [] } = transformed;
  const time = parseEventTime(transformed['time'] ?? event['createdTime']);
  const traceHeader = traceparentOf(event);
  const detailText = isJsonObject(detail) ? textOf(detail) : undefined;
  if (
    isSource(source) &&
    isText(detailType, MAX_DETAIL_TYPE_LENGTH) &&
    detailText !== undefined &&
    isResources(resources) &&
    time !== undefined
  ) {
    const entry = { source, detailType, detail: detailText, time, resources };
    return { ok: true, entry: traceHeader === undefined ? entry : { ...entry, traceHeader } };
  }
  const issues: PipelineIssue[] = [];
  const check = (good: boolean, name: string, message: string): void => {
    if (!good) issues.push({ path: `/${name}`, keyword: 'entry', message });
  };
  check(
    isSource(source),
    'source',
    isText(source, Infinity)
      ? `must not begin with "${RESERVED_SOURCE}", which AWS keeps for its own services`
      : 'must be a text',
  );
  check(
    isText(detailType, MAX_DETAIL_TYPE_LENGTH),
    'detail-type',
    `must be a text of 1 to ${MAX_DETAIL_TYPE_LENGTH} characters`,
  );
  check(detailText !== undefined, 'detail', problemOfDetail(detail));
  check(
    isResources(resources),
    'resources',
    `must be a list of texts of at most ${MAX_RESOURCE_LENGTH} characters`,
  );
  check(time !== undefined, 'time', EVENT_TIME_RULE);
  return { ok: false, issues };
}

/** The detail as JSON; `undefined` when AWS takes it from nobody. */
function textOf(detail: JsonObject): string | undefined {
  try {
    const text = JSON.stringify(detail);
    // A level takes two characters at least.
    const isTooDeep = text.length > 2 * MAX_DETAIL_DEPTH && isDeeperThan(detail, MAX_DETAIL_DEPTH);
    if (isTooDeep) return undefined;
    return MAYBE_TOO_LARGE.test(text) && hasTooLarge(detail) ? undefined : text;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function problemOfDetail(detail: unknown): string {
  if (!isJsonObject(detail)) return 'must be an object';
  return isDeeperThan(detail, MAX_DETAIL_DEPTH)
    ? `must not nest deeper than ${MAX_DETAIL_DEPTH} levels`
    : 'must not have whole numbers beyond 64 bits (-9223372036854775808 to 9223372036854775807): make text of them';
}

/** Beyond 64 bits, and written with all of its digits: from 1e21 on JSON has an exponent. */
function hasTooLarge(value: unknown): boolean {
  if (typeof value === 'number') {
    // -(2 ** 63) itself is written as -9223372036854776000.
    return Math.abs(value) >= 2 ** 63 && Math.abs(value) < 1e21;
  }
  return typeof value === 'object' && value !== null && Object.values(value).some(hasTooLarge);
}

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((item) => isDeeperThan(item, levels - 1));
}

function isSource(value: unknown): value is string {
  return isText(value, Infinity) && !value.startsWith(RESERVED_SOURCE);
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
