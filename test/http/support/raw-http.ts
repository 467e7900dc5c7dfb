import { connect, type Socket } from 'node:net';

export interface RawConnection extends Disposable {
  readonly socket: Socket;
  /** All that came so far. */
  readonly received: string;
  /** Resolves when the server has closed the connection. */
  readonly closed: Promise<string>;
}

/** A bare connection, for what no HTTP client would send. */
export async function openRaw(port: number): Promise<RawConnection> {
  const socket = connect(port, '127.0.0.1');
  let received = '';
  const closed = Promise.withResolvers<string>();
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    received += text;
  });
  socket.on('error', () => undefined);
  socket.on('close', () => closed.resolve(received));
  await new Promise((resolve) => {
    socket.once('connect', resolve);
  });
  return {
    socket,
    get received() {
      return received;
    },
    closed: closed.promise,
    [Symbol.dispose]: () => void socket.destroy(),
  };
}

/** Sends bytes and gives all that comes back until the server closes. */
export async function sendRaw(port: number, bytes: string | Uint8Array): Promise<string> {
  using connection = await openRaw(port);
  connection.socket.write(bytes);
  return await connection.closed;
}

/** Sends one byte per `everyMs` until the connection closes. */
export function trickle(socket: Socket, text: string, everyMs: number): void {
  let sent = 0;
  const timer = setInterval(() => {
    if (socket.writable && sent < text.length) socket.write(text.charAt(sent));
    sent += 1;
  }, everyMs);
  socket.once('close', () => clearInterval(timer));
}
