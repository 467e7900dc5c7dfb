// `npm run keygen -- --name crm --roles map,report`: makes an API key. The key is shown once and
// kept nowhere; the service's configuration gets its digest.
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { API_KEY_PREFIX, digestOf } from '../http/auth/api-keys.ts';
import { isRole, ROLES } from '../http/route.ts';

const USAGE = `Usage: npm run keygen -- --name <name> --roles <role,role>
  --name   who will use the key: letters, digits, "_", "." and "-", at most 64
  --roles  what it may do: ${ROLES.join(', ')}
`;

function main(): number {
  let values: { name?: string; roles?: string };
  try {
    ({ values } = parseArgs({ options: { name: { type: 'string' }, roles: { type: 'string' } } }));
  } catch (error) {
    return refuse(error instanceof Error ? error.message : 'These arguments make no sense');
  }
  if (!/^[\w.-]{1,64}$/.test(values.name ?? '')) return refuse('--name is missing or not allowed');
  const roles = (values.roles ?? '').split(/[,+]/).map((role) => role.trim());
  const unknown = roles.filter((role) => !isRole(role));
  if (unknown.length > 0)
    return refuse(`--roles is missing or not allowed: "${unknown.join(', ')}"`);

  const key = `${API_KEY_PREFIX}${randomBytes(32).toString('base64url')}`;
  const entry = `${values.name}:${[...new Set(roles)].join('+')}:${digestOf(key).toString('hex')}`;
  process.stdout.write(
    `Key for the caller, shown only now; it goes into the header "x-api-key":\n${key}\n\n` +
      'Entry for the setting API_KEYS (a comma list; add the new one, restart, later remove the old one):\n' +
      `${entry}\n`,
  );
  return 0;
}

function refuse(problem: string): number {
  process.stderr.write(`${problem}\n\n${USAGE}`);
  return 2;
}

process.exitCode = main();
