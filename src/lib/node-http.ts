/**
 * Values of `node:http`. An import statement reads every export of it, and the one named WebSocket
 * loads Node's own fetch: 13 MB of memory and 50 ms of the start.
 */
export const { createServer, STATUS_CODES } = process.getBuiltinModule('node:http');
