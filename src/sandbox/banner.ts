/** What `npm start` prints for a newcomer when it runs against the sandbox: what, where, how to stop. */
export function banner(addresses: {
  readonly servicePort: number;
  /** Without a slash at the end. */
  readonly sandboxUrl: string;
}): string {
  const service = `http://localhost:${addresses.servicePort}`;
  const record = '{"ticketId":"T1001","priority":"high","sourceChannel":"web"}';
  return `
  Interaction Bridge runs at ${service}
  No credentials are set, so it talks to a sandbox: Genesys Cloud and AWS look-alikes
  at ${addresses.sandboxUrl}, with interactions flowing. Nothing leaves this machine.

  Write a CRM record to Genesys, as an attribute of an interaction:
    curl -s ${service}/map -H 'content-type: application/json' \\
      -d '{"orgId":"acme-emea-support","records":[${record}]}'

  How often are attributes filled?
    curl -s '${service}/report?days=30'

  What would the event pipeline do with an interaction?
    curl -s ${service}/simulate -H 'content-type: application/json' -d '{"priority":"high"}'

  Look around:
    ${service}/status     the pipeline's counters, growing
    ${service}/readyz     every dependency by name
    ${addresses.sandboxUrl}/_sandbox   what the sandbox received, and faults to inject

  Ctrl-C stops it. To use your own organisation and AWS account, copy .env.example to .env.

`;
}
