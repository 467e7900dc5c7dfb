// What stands between a service and the world: a forward proxy, and TLS with an authority of one's own.
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer } from 'node:tls';
import { onTestFinished } from 'vitest';

export interface RunningProxy {
  /** With its credentials, where it wants some. */
  readonly url: string;
  readonly port: number;
  /** `CONNECT host:port` and `GET http://host:port/path`, in their order, of those it let through. */
  readonly seen: readonly string[];
  /** Connections to the proxy so far. */
  readonly connections: () => number;
  /** What CONNECT is answered instead of being done. */
  answer: number | 'nothing' | 'reset' | undefined;
}

/** A forward proxy on loopback. It takes every host for this machine, so names need not exist. */
export async function startProxy(
  options: { readonly credentials?: string; readonly port?: number } = {},
): Promise<RunningProxy> {
  const { credentials } = options;
  const seen: string[] = [];
  const sockets = new Set<Duplex>();
  let connections = 0;
  const wanted = credentials && `Basic ${Buffer.from(credentials).toString('base64')}`;
  const server = createServer((asked, answer) => {
    if (wanted !== undefined && asked.headers['proxy-authorization'] !== wanted) {
      answer.writeHead(407).end();
      return;
    }
    seen.push(`${asked.method} ${asked.url}`);
    const { 'proxy-authorization': _own, ...headers } = asked.headers;
    const url = new URL(asked.url ?? '');
    const { port, pathname, search } = url;
    const onward = request(
      { host: '127.0.0.1', port, method: asked.method, path: pathname + search, headers },
      (from) => {
        answer.writeHead(from.statusCode ?? 502, from.headers);
        from.pipe(answer);
      },
    );
    onward.on('error', () => answer.destroy());
    asked.pipe(onward);
  });
  const running = {
    url: '',
    port: 0,
    seen,
    connections: () => connections,
    answer: undefined as RunningProxy['answer'],
  };
  server.on('connection', (socket: Socket) => {
    connections += 1;
    keep(socket);
  });
  function keep(socket: Duplex): void {
    sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
  }
  server.on('connect', (asked, socket) => {
    const status =
      wanted === undefined || asked.headers['proxy-authorization'] === wanted ? undefined : 407;
    const instead = status ?? running.answer;
    if (instead === 'nothing') return;
    if (instead === 'reset') {
      socket.destroy();
      return;
    }
    if (instead !== undefined) {
      socket.end(`HTTP/1.1 ${instead} No\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    seen.push(`CONNECT ${asked.url}`);
    const onward = connect(Number(asked.url?.split(':').at(-1)), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    keep(onward);
  });
  running.port = await listen(server, options.port);
  const login = credentials === undefined ? '' : `${credentials}@`;
  running.url = `http://${login}127.0.0.1:${running.port}`;
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return running;
}

/** TLS in front of a plain server on this machine; its port. */
export async function startTls(
  server: { readonly key: string; readonly cert: string },
  targetPort: number,
): Promise<number> {
  const sockets = new Set<Duplex>();
  const terminator = createTlsServer(server, (socket) => {
    const onward = connect(targetPort, '127.0.0.1');
    for (const end of [socket, onward]) {
      sockets.add(end);
      end.on('error', () => undefined);
    }
    socket.pipe(onward).pipe(socket);
  });
  terminator.on('tlsClientError', () => undefined);
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    terminator.close();
  });
  return listen(terminator);
}

/** A port of this machine where nobody listens. */
export async function unusedPort(): Promise<number> {
  const server = createTcpServer();
  const port = await listen(server);
  server.close();
  await once(server, 'close');
  return port;
}

async function listen(server: Server, port = 0): Promise<number> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
