import type {
  AttributeUpdate,
  AttributeValue,
  AttributeWriter,
  UpdateOutcome,
} from '../../attributes/ports.ts';
import { isJsonObject } from '../../lib/json-object.ts';
import type { GenesysClient } from '../client.ts';
import { list, optionalText, record, text } from '../shape.ts';

/** What the API takes in one call. */
const MAX_ENTITIES = 1000;

/** What JSON writes differently from the text itself. */
// oxlint-disable-next-line no-control-regex
const ESCAPED = /["\\\u0000-\u001f]/;

/** `id` names the entity itself; the other would set an object's prototype. */
const RESERVED: readonly string[] = ['id', '__proto__'];

/** Results by entity id; `undefined` when the answer has none, which means all were written. */
type Results = ReadonlyMap<string, UpdateOutcome> | undefined;

/** `POST /api/v2/customattributes/batch` as a partial update, so that other attributes stay. */
export function createAttributeWriter(client: GenesysClient): AttributeWriter {
  return {
    maxUpdates: MAX_ENTITIES,
    envelopeBytes: JSON.stringify(bodyOf([])).length,
    bytesOf,
    async upsert(updates, signal) {
      if (updates.length > MAX_ENTITIES) {
        throw new RangeError(`${updates.length} updates in one call; at most ${MAX_ENTITIES}`);
      }
      const sendable = updates.filter((update) => reservedName(update) === undefined);
      if (sendable.length === 0) {
        return { outcomes: updates.map(reservedOutcome), latencyMs: 0, throttled: 0 };
      }
      const { value, latencyMs, throttled } = await client.call<Results>({
        operation: 'write_attributes',
        method: 'POST',
        path: '/api/v2/customattributes/batch',
        scope: 'customattributes:write',
        urgency: 'write',
        body: bodyOf(sendable),
        idempotent: true,
        read: readResults,
        signal,
      });
      const outcomes = updates.map((update) =>
        reservedName(update) === undefined ? outcomeOf(update.id, value) : reservedOutcome(update),
      );
      return { outcomes, latencyMs, throttled };
    },
  };
}

function bodyOf(updates: readonly AttributeUpdate[]): object {
  return { entities: updates.map(entityOf), partialUpdate: true };
}

/** Names that an assignment would not make own properties of were sorted out before. */
function entityOf({ id, attributes }: AttributeUpdate): object {
  const entity: Record<string, unknown> = { id };
  for (const [name, value] of attributes) entity[name] = value;
  return entity;
}

/** Bytes of an update as an entity of the JSON body, its comma included. */
function bytesOf(update: AttributeUpdate): number {
  let bytes = '{"id":},'.length + valueBytes(update.id);
  for (const [name, value] of update.attributes) {
    bytes += name.length + ',"":'.length + valueBytes(value);
  }
  return bytes;
}

function valueBytes(value: AttributeValue): number {
  if (typeof value !== 'string') return String(value).length;
  return ESCAPED.test(value) || !value.isWellFormed()
    ? Buffer.byteLength(JSON.stringify(value))
    : Buffer.byteLength(value) + 2;
}

function reservedName({ attributes }: AttributeUpdate): string | undefined {
  return RESERVED.find((name) => attributes.has(name));
}

function reservedOutcome(update: AttributeUpdate): UpdateOutcome {
  return {
    id: update.id,
    written: false,
    code: 'attribute_name_reserved',
    message: `${reservedName(update) ?? ''} cannot be the name of an attribute; the record was not sent`,
  };
}

function outcomeOf(id: string, results: Results): UpdateOutcome {
  if (results === undefined) return { id, written: true };
  return (
    results.get(id) ?? {
      id,
      written: false,
      code: 'genesys_no_result',
      message: 'Genesys named the fate of other records of the batch, but not of this one',
    }
  );
}

function readResults(body: unknown): Results {
  if (body === undefined) return undefined;
  const answer = record(body, 'the answer');
  if (answer['results'] === undefined || answer['results'] === null) return undefined;
  const outcomes = new Map<string, UpdateOutcome>();
  for (const [index, entry] of list(answer['results'], 'results').entries()) {
    const result = record(entry, `results[${index}]`);
    const id = text(result['id'], `results[${index}].id`);
    outcomes.set(id, readOutcome(id, result));
  }
  return outcomes;
}

/** `status` is an HTTP status or a word; an `error` always means that it was not written. */
function readOutcome(id: string, result: Readonly<Record<string, unknown>>): UpdateOutcome {
  const stated = Number(result['status']);
  const status = Number.isInteger(stated) && stated >= 100 ? stated : undefined;
  const failure = result['error'] ?? undefined;
  const succeeded =
    status === undefined
      ? /^(?:ok|success|succeeded|written|created|updated)$/i.test(String(result['status']))
      : status >= 200 && status < 300;
  if (failure === undefined && succeeded) return { id, written: true };
  const { code, message } = readFailure(failure);
  return {
    id,
    written: false,
    code: code ?? codeOf(status),
    message: (message ?? `Genesys did not write it (status ${String(result['status'])})`).slice(
      0,
      300,
    ),
    status,
  };
}

function readFailure(failure: unknown): {
  code?: string | undefined;
  message?: string | undefined;
} {
  if (typeof failure === 'string') return { message: failure };
  if (!isJsonObject(failure)) return {};
  return {
    code: optionalText(failure['code'], 'error.code'),
    message: optionalText(failure['message'], 'error.message'),
  };
}

function codeOf(status: number | undefined): string {
  if (status === 429) return 'genesys_rate_limited';
  return status !== undefined && status >= 500 ? 'genesys_unavailable' : 'genesys_refused';
}
