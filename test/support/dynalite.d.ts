declare module 'dynalite' {
  import type { Server } from 'node:http';
  /** A DynamoDB in memory; times in milliseconds. */
  export default function dynalite(options: { readonly createTableMs?: number }): Server;
}
