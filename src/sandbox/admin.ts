import { createFaultRuleParser } from './fault-rule.ts';
import { parseObject, Refusal } from './genesys/error-body.ts';
import { type Call, json, type Operation, type Reply, type Service } from './operation.ts';
import type { SandboxParts } from './parts.ts';

type AddRoute = (
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  what: string,
  /** What it returns is the answer's JSON; nothing is 204. */
  handle: (call: Call) => unknown,
) => void;

/** `/_sandbox/`: look at what came in, and steer, from a shell or from a test in another process. */
export function createAdminService(sandbox: SandboxParts, operations: readonly string[]): Service {
  const routes = new Map<string, { what: string; operation: Operation }>();
  const route: AddRoute = (method, path, what, handle) => {
    const operation: Operation = {
      name: 'sandbox',
      internal: true,
      handle(call): Reply {
        try {
          const answer = handle(call);
          return answer === undefined ? { status: 204 } : json(answer);
        } catch (error) {
          if (!(error instanceof Refusal)) throw error;
          return json({ message: error.message }, error.failure.status);
        }
      },
    };
    routes.set(`${method} /_sandbox${path}`, { what, operation });
  };

  route('GET', '', 'this list', () =>
    Object.fromEntries(Array.from(routes, ([name, { what }]) => [name, what])),
  );
  route('GET', '/requests', 'calls: counts and the last ones; ?limit=', (call) => ({
    counts: sandbox.requests.counts(),
    requests: last(sandbox.requests.last(), call),
  }));
  showGenesys(route, sandbox);
  showAws(route, sandbox);
  steerFaults(route, sandbox, operations);
  steerStream(route, sandbox);
  steerAccess(route, sandbox);
  route('POST', '/queues/:name', 'create a queue', (call) =>
    sandbox.cloud.createQueue(lastSegment(call)),
  );
  route('DELETE', '/queues/:name', 'delete a queue', (call) =>
    sandbox.cloud.deleteQueue(lastSegment(call)),
  );
  route('POST', '/buses/:name', "create a bus, by its ARN one of another account's", (call) =>
    sandbox.cloud.createBus(lastSegment(call)),
  );
  route('DELETE', '/buses/:name', 'delete a bus', (call) =>
    sandbox.cloud.deleteBus(lastSegment(call)),
  );
  route('DELETE', '/access-keys/:id', 'AWS refuses what is signed with it from now on', (call) =>
    sandbox.cloud.revokeAccessKey(lastSegment(call)),
  );
  route('POST', '/reset', 'forget what came in, and every fault', () => sandbox.reset());

  return {
    operations: [],
    route(request, path) {
      if (path !== '/_sandbox' && !path.startsWith('/_sandbox/')) return undefined;
      const trimmed = path.endsWith('/') ? path.slice(0, -1) : path;
      const exact = routes.get(`${request.method} ${trimmed}`);
      const parent = `${request.method} ${trimmed.slice(0, trimmed.lastIndexOf('/'))}`;
      return (exact ?? routes.get(`${parent}/:id`) ?? routes.get(`${parent}/:name`))?.operation;
    },
    refuse: ({ status, message }) => json({ message }, status),
  };
}

function showGenesys(route: AddRoute, sandbox: SandboxParts): void {
  const { conversations, organisation, records, stream, traffic } = sandbox;
  route('GET', '/records', 'records written to Genesys; ?id= for one, ?limit=', (call) => {
    const id = query(call).get('id');
    if (id === null) {
      const shown = last([...records.stored.values()], call);
      return { written: records.written(), kept: records.stored.size, records: shown };
    }
    const record = records.stored.get(id);
    if (record === undefined) throw new Refusal(404, `Nothing was written for ${id}.`);
    return record;
  });
  route('GET', '/definitions', 'attributes a unit itself defines; ?orgId=', (call) =>
    organisation.definitions(query(call).get('orgId') ?? undefined),
  );
  route('GET', '/conversations/count', 'conversations there are; ?days=30', (call) => {
    const days = wholeNumber(call, 'days', 30);
    const now = Date.now();
    return { days, count: conversations.count(new Date(now - days * 86_400_000), new Date(now)) };
  });
  route('GET', '/stream', 'subscriptions, readers, events sent', () => ({
    subscriptions: stream.subscriptions(),
    clients: stream.clients(),
    perSecond: traffic.perSecond() === Infinity ? 'max' : traffic.perSecond(),
    sent: stream.sent(),
  }));
  route('GET', '/stream/ids', 'ids of events sent; ?expectation=matching|other|invalid', (call) => {
    const expectation = query(call).get('expectation') ?? 'matching';
    if (expectation === 'matching' || expectation === 'other' || expectation === 'invalid') {
      return [...stream.sentIds(expectation)];
    }
    throw new Refusal(400, 'expectation is matching, other or invalid.');
  });
}

function showAws(route: AddRoute, { cloud }: SandboxParts): void {
  route('GET', '/events', 'events that the bus accepted; ?limit=', (call) => ({
    count: cloud.busEventCount(),
    events: last(cloud.busEvents, call),
  }));
  route(
    'GET',
    '/events/ids',
    'ids of all events that the bus accepted, repeated ones included',
    () => [...cloud.acceptedIds],
  );
  route('GET', '/dead-letters', 'messages in the dead-letter queue; ?limit=', (call) => {
    const letters = cloud.deadLetters();
    return { count: letters.length, letters: last(letters, call) };
  });
  route('GET', '/metrics', 'what CloudWatch got; ?limit=', (call) => last(cloud.metrics, call));
}

function steerFaults(
  route: AddRoute,
  { faults }: SandboxParts,
  operations: readonly string[],
): void {
  const parseFaultRule = createFaultRuleParser(operations);
  route(
    'GET',
    '/faults/targets',
    'operations that rules may target, or a beginning of them',
    () => [...operations],
  );
  route('GET', '/faults', 'rules that are active', () => faults.list());
  route(
    'POST',
    '/faults',
    'add a rule: {"target": "aws.events", "status": 500, "times": 3}',
    (c) => ({
      id: faults.add(parseFaultRule(parseObject(c.body))),
    }),
  );
  route('DELETE', '/faults', 'remove all rules', () => faults.clear());
  route('DELETE', '/faults/:id', 'remove one rule', (call) => {
    if (!faults.remove(lastSegment(call))) throw new Refusal(404, 'There is no such rule.');
  });
}

function steerStream(route: AddRoute, { stream, traffic }: SandboxParts): void {
  route('POST', '/events/emit', 'send {"events": […], "lines": […]} on every stream', (call) => {
    const { events = [], lines = [] } = parseObject(call.body);
    if (!Array.isArray(events) || !Array.isArray(lines)) {
      throw new Refusal(400, 'events and lines are lists.');
    }
    stream.emit([...(events as unknown[]), ...lines.map(String)]);
    return { emitted: events.length + lines.length };
  });
  route('POST', '/traffic', 'interactions: {"perSecond": 5}, or "max"', (call) => {
    const { perSecond } = parseObject(call.body);
    const rate = perSecond === 'max' ? Infinity : perSecond;
    if (typeof rate !== 'number' || !(rate >= 0)) {
      throw new Refusal(400, 'perSecond is a number from 0, or "max".');
    }
    traffic.set(rate);
  });
  route('POST', '/stream/cut', 'break every stream', () => stream.cut());
  route('DELETE', '/subscriptions/:id', 'forget it: its stream answers 404', (call) => {
    const known = stream.deleteSubscription(lastSegment(call));
    if (!known) throw new Refusal(404, 'There is no such subscription.');
  });
}

/** Tokens, permissions and the rate limit of Genesys. */
function steerAccess(route: AddRoute, sandbox: SandboxParts): void {
  route('POST', '/tokens/revoke', 'all tokens are worth nothing from now on', () => {
    sandbox.tokens.revokeAll();
    sandbox.platform.login.revokeAll();
  });
  route('POST', '/permissions', 'take away and give back: {"deny": […], "allow": […]}', (call) => {
    const { deny = [], allow = [] } = parseObject(call.body);
    if (!Array.isArray(deny) || !Array.isArray(allow)) {
      throw new Refusal(400, 'deny and allow are lists.');
    }
    for (const permission of deny) sandbox.denied.add(String(permission));
    for (const permission of allow) sandbox.denied.delete(String(permission));
  });
  route(
    'POST',
    '/rate-limit',
    'Genesys requests per window: {"perMinute": 300}; 0 = none',
    (call) => {
      const { perMinute } = parseObject(call.body);
      if (typeof perMinute !== 'number' || !(perMinute >= 0)) {
        throw new Refusal(400, 'perMinute is a number from 0.');
      }
      sandbox.rateLimit.set(perMinute);
      sandbox.platform.limits.set(perMinute);
    },
  );
}

function query(call: Call): URLSearchParams {
  return new URLSearchParams(call.query);
}

function lastSegment(call: Call): string {
  return decodeURIComponent(call.path.slice(call.path.lastIndexOf('/') + 1));
}

/** The newest of a list, `?limit=` of them. */
function last<T>(items: readonly T[], call: Call): readonly T[] {
  return items.slice(-wholeNumber(call, 'limit', 100));
}

function wholeNumber(call: Call, name: string, fallback: number): number {
  const text = query(call).get(name);
  if (text === null) return fallback;
  const value = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (value < 1) throw new Refusal(400, `${name} is a whole number from 1.`);
  return value;
}
