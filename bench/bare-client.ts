import { Agent, request } from 'undici';

/** Genesys Cloud as the bare loops reach it: the HTTP client and settings of the service, no more. */
export interface BareClient {
  /** The parsed answer to a POST of `body`; throws when it is not 200. */
  post(path: string, body: unknown): Promise<unknown>;
  close(): Promise<void>;
}

/** What a bare loop prints: units a second as a script that runs once, and warmed up. */
export interface BareRates {
  readonly asScript: number;
  readonly warm: number;
}

/** @param run does it all once, and says how many units that were */
export async function measureTwice(run: () => Promise<number>): Promise<BareRates> {
  const perSecond = async () => {
    const startedMs = performance.now();
    const units = await run();
    return (units / (performance.now() - startedMs)) * 1000;
  };
  return { asScript: await perSecond(), warm: await perSecond() };
}

export async function connectBare(base: string, id: string, secret: string): Promise<BareClient> {
  const dispatcher = new Agent({ connections: 32, allowH2: false });
  const granted = await request(`${base}/oauth/token`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
    },
    body: 'grant_type=client_credentials',
    dispatcher,
  });
  const { access_token: token } = (await granted.body.json()) as { access_token: string };
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };

  return {
    async post(path, body) {
      const answer = await request(base + path, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
        dispatcher,
      });
      const text = await answer.body.text();
      if (answer.statusCode !== 200) throw new Error(`${answer.statusCode}: ${text.slice(0, 500)}`);
      return JSON.parse(text) as unknown;
    },
    close: () => dispatcher.close(),
  };
}
