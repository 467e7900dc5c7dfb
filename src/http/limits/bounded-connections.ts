import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Tells which connections have a request going on. */
export interface BoundedConnections {
  /** From here until the response closes its connection is not idle. */
  busy(request: IncomingMessage, response: ServerResponse): void;
}

/**
 * Bounds the connections of a server. A new one always gets in: the one that has been idle for
 * longest goes. A server that turned new ones away could be shut for everybody by opening
 * connections and doing nothing.
 */
export function boundConnections(
  server: Server,
  max: number,
  onEvicted: () => void,
): BoundedConnections {
  // In the order in which they became idle.
  const idle = new Set<Socket>();
  const requests = new WeakMap<Socket, number>();
  let count = 0;

  server.on('connection', (socket: Socket) => {
    count += 1;
    idle.add(socket);
    socket.once('close', () => {
      count -= 1;
      idle.delete(socket);
    });
    if (count <= max) return;
    const [oldest = socket] = idle;
    idle.delete(oldest);
    oldest.destroy();
    onEvicted();
  });

  return {
    busy({ socket }, response) {
      idle.delete(socket);
      requests.set(socket, (requests.get(socket) ?? 0) + 1);
      response.once('close', () => {
        const left = (requests.get(socket) ?? 1) - 1;
        requests.set(socket, left);
        if (left === 0 && !socket.destroyed) idle.add(socket);
      });
    },
  };
}
