import { AwsRefusal, isObject, type JsonObject, textOf } from './answers.ts';
import { valueOf } from './message-digest.ts';

/** What a queue wants of its messages. */
export interface MessageRules {
  readonly isFifo: boolean;
  readonly contentBasedDeduplication: boolean;
  readonly maxMessageBytes: number;
}

export interface OutgoingMessage {
  readonly body: string;
  readonly attributes: Readonly<Record<string, JsonObject>>;
  readonly groupId: string | undefined;
  readonly deduplicationId: string | undefined;
  readonly delaySeconds: number | undefined;
}

const ALLOWED = /^[\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]*$/u;
const FIFO_ID = /^[!-~]{1,128}$/;
const NO_DEDUPLICATION =
  'The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly';

/** The message of SendMessage, or of an entry of SendMessageBatch; throws as SQS refuses it. */
export function readMessage(input: JsonObject, rules: MessageRules): OutgoingMessage {
  const body = textOf(input, 'MessageBody') ?? '';
  if (body === '') {
    throw missing('MessageBody');
  }
  if (!ALLOWED.test(body)) {
    throw sqsRefusal('InvalidMessageContents', 'Invalid characters found in the message body.');
  }
  const attributes = readAttributes(input);
  if (bytesOf(body, attributes) > rules.maxMessageBytes) {
    throw invalid(`Message must be shorter than ${rules.maxMessageBytes} bytes.`);
  }
  const delaySeconds = input['DelaySeconds'];
  if (rules.isFifo && typeof delaySeconds === 'number' && delaySeconds !== 0) {
    const reason = 'The request include parameter that is not valid for this queue type.';
    throw invalidValue(delaySeconds, 'DelaySeconds', reason);
  }
  return {
    body,
    attributes,
    ...readFifoIds(input, rules),
    delaySeconds: typeof delaySeconds === 'number' ? delaySeconds : undefined,
  };
}

/** As SQS counts it: the body, and each attribute's name, type and value. */
export function bytesOf(body: string, attributes: Readonly<Record<string, JsonObject>>): number {
  let bytes = Buffer.byteLength(body);
  for (const [name, attribute] of Object.entries(attributes)) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(textOf(attribute, 'DataType') ?? '');
    bytes += valueOf(attribute).length;
  }
  return bytes;
}

export function attributesOf(input: JsonObject): Readonly<Record<string, JsonObject>> {
  const given = input['MessageAttributes'];
  if (!isObject(given)) return {};
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, isObject(value) ? value : {}]),
  );
}

function readAttributes(input: JsonObject): Readonly<Record<string, JsonObject>> {
  const attributes = attributesOf(input);
  const names = Object.keys(attributes);
  if (names.length > 10) {
    throw invalid(
      `Number of message attributes [${names.length}] exceeds the allowed maximum [10].`,
    );
  }
  for (const [name, attribute] of Object.entries(attributes)) {
    if (!/^[\w.-]{1,256}$/.test(name) || /^(?:aws|amazon)\./i.test(name)) {
      throw invalid(`The message attribute name '${name}' is invalid.`);
    }
    const dataType = textOf(attribute, 'DataType') ?? '';
    if (!/^(?:String|Number|Binary)(?:\..+)?$/.test(dataType)) {
      throw invalid(`The type of message (user) attribute '${name}' is invalid.`);
    }
    const text = textOf(attribute, 'StringValue') ?? '';
    if (valueOf(attribute).length === 0) {
      const reason = `Message (user) attribute '${name}' must contain a non-empty value of type '${dataType.split('.')[0]}'.`;
      throw coralRefusal('InvalidParameterValue', reason);
    }
    if (!ALLOWED.test(text)) throw invalid(`Invalid characters found in attribute '${name}'.`);
    if (dataType.startsWith('Number') && !Number.isFinite(Number(text))) {
      throw invalid(`Can't cast the value of message attribute '${name}' to a number.`);
    }
  }
  return attributes;
}

function readFifoIds(input: JsonObject, rules: MessageRules) {
  const groupId = textOf(input, 'MessageGroupId');
  const deduplicationId = textOf(input, 'MessageDeduplicationId');
  for (const [name, id] of Object.entries({
    MessageGroupId: groupId,
    MessageDeduplicationId: deduplicationId,
  })) {
    if (id !== undefined && !FIFO_ID.test(id)) {
      const reason = `${name} can only include alphanumeric and punctuation characters. 1 to 128 in length.`;
      throw invalidValue(id, name, reason);
    }
  }
  if (!rules.isFifo && deduplicationId !== undefined) {
    const reason = 'The request includes a parameter that is not valid for this queue type.';
    throw invalidValue(deduplicationId, 'MessageDeduplicationId', reason);
  }
  if (rules.isFifo && groupId === undefined) throw missing('MessageGroupId');
  if (lacksDeduplication(input, rules))
    throw coralRefusal('InvalidParameterValue', NO_DEDUPLICATION);
  return { groupId, deduplicationId };
}

/** The whole batch is refused for one entry without what a FIFO queue asks for. */
export function checkFifoBatch(entries: readonly JsonObject[], rules: MessageRules): void {
  if (!rules.isFifo) return;
  for (const entry of entries) {
    if (lacksDeduplication(entry, rules)) {
      throw coralRefusal('InvalidParameterValue', NO_DEDUPLICATION);
    }
    if (textOf(entry, 'MessageGroupId') === undefined) {
      const text = 'The request must contain the parameter MessageGroupId.';
      throw coralRefusal('InvalidParameterValue', text);
    }
  }
}

function lacksDeduplication(input: JsonObject, rules: MessageRules): boolean {
  if (!rules.isFifo || rules.contentBasedDeduplication) return false;
  return textOf(input, 'MessageDeduplicationId') === undefined;
}

/** A refusal that SQS' own model names; `queryCode` is that of the older protocol. */
export function sqsRefusal(code: string, message: string, queryCode = code): AwsRefusal {
  return new AwsRefusal(`com.amazonaws.sqs#${code}`, message, { queryCode });
}

/** One that every service of AWS' framework makes alike. */
function coralRefusal(
  queryCode: 'InvalidParameterValue' | 'MissingParameter',
  message: string,
): AwsRefusal {
  const shape = queryCode === 'MissingParameter' ? 'MissingRequiredParameter' : queryCode;
  return new AwsRefusal(`com.amazon.coral.service#${shape}Exception`, message, { queryCode });
}

function missing(name: string): AwsRefusal {
  return coralRefusal('MissingParameter', `The request must contain the parameter ${name}.`);
}

export function invalidValue(value: unknown, name: string, reason: string): AwsRefusal {
  const text = `Value ${String(value)} for parameter ${name} is invalid. Reason: ${reason}`;
  return coralRefusal('InvalidParameterValue', text);
}

export function invalid(reason: string): AwsRefusal {
  const text = `One or more parameters are invalid. Reason: ${reason}`;
  return coralRefusal('InvalidParameterValue', text);
}
