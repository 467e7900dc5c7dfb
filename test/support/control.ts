/** The sandbox's `/_sandbox/` from another process. */
export interface Control {
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body?: unknown): Promise<T | undefined>;
  /** A thing that is not there is fine. */
  remove(path: string): Promise<void>;
}

export function createControl(url: string): Control {
  async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await fetch(`${url}/_sandbox${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok && !(method === 'DELETE' && answer.status === 404)) {
      throw new Error(`The sandbox answers ${answer.status} to ${method} ${path}: ${text}`);
    }
    return text === '' ? undefined : JSON.parse(text);
  }

  return {
    get: async <T>(path: string) => (await ask('GET', path)) as T,
    post: async <T>(path: string, body?: unknown) => (await ask('POST', path, body)) as T,
    remove: async (path) => void (await ask('DELETE', path)),
  };
}
