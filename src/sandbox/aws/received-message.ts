import type { JsonObject } from './answers.ts';
import { attributesMd5 } from './message-digest.ts';
import type { StoredMessage } from './queue.ts';

/** A message as ReceiveMessage shows it: with the attributes that were asked for. */
export function receivedMessage(message: StoredMessage, input: JsonObject): JsonObject {
  const system: Record<string, string | undefined> = {
    SentTimestamp: String(message.sentAt),
    ApproximateReceiveCount: String(message.receiveCount),
    ApproximateFirstReceiveTimestamp: String(message.firstReceivedAt),
    MessageGroupId: message.groupId,
    MessageDeduplicationId: message.deduplicationId,
    SequenceNumber: message.sequenceNumber,
  };
  const systemNames = new Set([
    ...namesIn(input, 'MessageSystemAttributeNames'),
    ...namesIn(input, 'AttributeNames'),
  ]);
  const attributes = Object.entries(system).filter(
    ([name, value]) => value !== undefined && (systemNames.has('All') || systemNames.has(name)),
  );
  const asked = namesIn(input, 'MessageAttributeNames');
  const custom = Object.entries(message.attributes).filter(([name]) =>
    asked.some(
      (pattern) =>
        pattern === 'All' ||
        pattern === '.*' ||
        pattern === name ||
        (pattern.endsWith('.*') && name.startsWith(pattern.slice(0, -2))),
    ),
  );
  return {
    MessageId: message.messageId,
    ReceiptHandle: message.receipt,
    MD5OfBody: message.bodyMd5,
    Body: message.body,
    ...(attributes.length === 0 ? {} : { Attributes: Object.fromEntries(attributes) }),
    // Over those that are shown, not those that were sent.
    ...(custom.length === 0
      ? {}
      : {
          MessageAttributes: Object.fromEntries(custom),
          MD5OfMessageAttributes: attributesMd5(Object.fromEntries(custom)),
        }),
  };
}

function namesIn(input: JsonObject, member: string): readonly string[] {
  const names = input[member];
  return Array.isArray(names) ? names.map(String) : [];
}
