import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { About } from '../about.ts';
import type { Scheme } from '../exchange.ts';
import type { Call, Route } from '../route.ts';
import { createStaticContent } from '../static-content.ts';
import { createOpenApiDocument } from './openapi.ts';

const tag = 'Documents';

/**
 * `GET /openapi.json`, and `GET /docs` to browse and try it: swagger-ui from our own address, so
 * that it works offline and under a policy that allows no inline script and no other origin.
 */
export function docsRoutes(options: {
  readonly about: About;
  readonly routes: readonly Route[];
  readonly schemes: readonly Scheme[];
}): Route[] {
  const document = createStaticContent(async () =>
    Buffer.from(
      JSON.stringify(createOpenApiDocument({ ...options, routes: [...options.routes, openapi] })),
    ),
  );
  const openapi: Route = {
    method: 'get',
    path: '/openapi.json',
    role: 'public',
    operationId: 'openapi',
    summary: 'This document',
    tag,
    quiet: true,
    responses: { 200: { description: 'OpenAPI 3.1', schema: { type: 'object' } } },
    handle: async (call) =>
      document.answer(call, {
        'content-type': 'application/json; charset=utf-8',
        'cache-control': 'no-cache',
      }),
  };
  return [openapi, startPage(options.about), ...browserRoutes()];
}

/** For those who try the address: what this is, and where to look. */
function startPage({ name, version }: About): Route {
  const about = 'Interaction Bridge: between Genesys Cloud, a CRM and AWS';
  const look = {
    documents: '/docs',
    openapi: '/openapi.json',
    liveness: '/livez',
    readiness: '/readyz',
    status: '/status',
    metrics: '/metrics',
  };
  const lines = Object.entries(look).map(([what, path]) => `${what.padEnd(10)} ${path}\n`);
  return {
    method: 'get',
    path: '/',
    role: 'public',
    operationId: 'start',
    summary: 'What this is, and where to look',
    tag,
    quiet: true,
    undocumented: true,
    responses: { 200: { description: 'Name, version and paths' } },
    async handle({ request }) {
      if (request.accepts('application/json', 'text/plain') !== 'text/plain') {
        return { status: 200, body: { name, version, about, look } };
      }
      const headers = { 'content-type': 'text/plain; charset=utf-8' };
      return { status: 200, headers, body: `${about} (${name} ${version})\n\n${lines.join('')}` };
    },
  };
}

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const START = `SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: 'none',
});
`;

function browserRoutes(): Route[] {
  const packageFile = fileURLToPath(import.meta.resolve('swagger-ui-dist/package.json'));
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
  // The version is part of the path, so that a browser may keep the files for ever.
  const assets = `/docs/${version}`;
  const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Interaction Bridge</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="${assets}/swagger-ui.css">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="${assets}/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`;
  return [
    text('/docs', 'docs', 'text/html; charset=utf-8', page),
    text('/docs/start.js', 'docsStart', 'text/javascript; charset=utf-8', START),
    file(`${assets}/swagger-ui.css`, 'docsStyle', 'text/css; charset=utf-8'),
    file(`${assets}/swagger-ui-bundle.js`, 'docsScript', 'text/javascript; charset=utf-8'),
  ];
}

function text(path: string, operationId: string, type: string, body: string): Route {
  return asset(path, operationId, async () => ({
    status: 200,
    body,
    headers: {
      'content-type': type,
      'cache-control': 'no-cache',
      'content-security-policy': POLICY,
    },
  }));
}

function file(path: string, operationId: string, type: string): Route {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const source = fileURLToPath(import.meta.resolve(`swagger-ui-dist/${name}`));
  const content = createStaticContent(async () => readFile(source));
  return asset(path, operationId, async (call) =>
    content.answer(call, {
      'content-type': type,
      'cache-control': 'public, max-age=31536000, immutable',
    }),
  );
}

function asset(
  path: string,
  operationId: string,
  handle: (call: Call) => ReturnType<Route['handle']>,
): Route {
  return {
    method: 'get',
    path,
    role: 'public',
    operationId,
    summary: 'Part of the documents page',
    tag,
    quiet: true,
    undocumented: true,
    responses: { 200: { description: 'As it is' } },
    handle,
  };
}
