// docs/permissions.md has every route with its role, and every scope the code asks for.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { startAppWithSandbox } from '../support/app.ts';

const document = readFileSync('docs/permissions.md', 'utf8');

/** `METHOD /path` → the first role in its row. */
const documented = new Map(
  [...document.matchAll(/^\| `((?:GET|POST) \/[^`]*)` \| `?(\w+)`?/gm)].map(
    ([, route = '', role = '']) => [route, role],
  ),
);

test('every route stands there with its role', async () => {
  const keys = `tester:operate:${'0'.repeat(64)}`;
  const app = await startAppWithSandbox({}, { AUTH_MODE: 'api-key', API_KEYS: keys });
  try {
    const { paths } = (await (await app.get('/openapi.json')).json()) as {
      paths: Record<string, Record<string, { security: Record<string, string[]>[] }>>;
    };
    const routes = new Map(
      Object.entries(paths).flatMap(([path, operations]) =>
        Object.entries(operations).map(([method, { security }]) => [
          `${method.toUpperCase()} ${path}`,
          security[0]?.['apiKey']?.[0] ?? 'none',
        ]),
      ),
    );
    // Pages for people, which the interface's description leaves out.
    routes.set('GET /docs', 'none');
    routes.set('GET /', 'none');
    expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(routes));

    for (const [route, role] of documented) {
      const [method = '', path = ''] = route.split(' ');
      const { status } = await app.get(path, { method });
      if (role === 'none') expect(status, route).not.toBe(401);
      else expect(status, route).toBe(401);
    }
  } finally {
    await app.stop();
  }
});

test('every call to Genesys stands there with its scope', () => {
  const sources = readdirSync('src/genesys/reference').map((file) =>
    readFileSync(`src/genesys/reference/${file}`, 'utf8'),
  );
  const rows = document.split('\n').filter((line) => line.includes('/api/v2/'));
  const scopes = new Set(sources.flatMap((text) => text.match(/(?<=scope: ')[^']+/g) ?? []));
  const paths = new Set(
    sources.flatMap((text) => text.match(/(?<=['`])\/api\/v2\/[\w/]+\w/g) ?? []),
  );
  expect(scopes.size).toBeGreaterThan(4);
  for (const scope of scopes)
    expect(
      rows.filter((row) => row.includes(`\`${scope}\``)),
      scope,
    ).not.toEqual([]);
  for (const path of paths)
    expect(
      rows.filter((row) => row.includes(path)),
      path,
    ).not.toEqual([]);
  const inRows = rows.flatMap((row) => /\| `([a-z:]+)` \|/.exec(row)?.[1] ?? []);
  expect(new Set(inRows)).toEqual(scopes);
});
