import { parseArgs } from 'node:util';

export const USAGE = `Usage: npm run import -- --org <id> [options] <file.ndjson | file.csv | file.tsv>
  --org <id>            organisation unit whose definitions hold
  --url <address>       of the service; default http://127.0.0.1:3000
  --rejects <file>      where records that were not written go, as JSON lines {line, id, …, record};
                        without it the first ten reasons are shown
  --dry-run             everything but the write
  --skip-unchanged      leave out what Genesys has like this already
  --delimiter <char>    of a CSV file, "tab" for a tab; default: found in its header line
  --encoding <name>     of the file, such as windows-1252; default UTF-8, or what its mark says
  --api-key-env <name>  variable that holds the API key; default BRIDGE_API_KEY
Exit code: 0 everything written, 1 some records were not, 2 the import could not be done or not to
its end, or there was nothing to import.
`;

export interface ImportArguments {
  readonly file: string;
  readonly address: URL;
  readonly apiKey: string | undefined;
  readonly rejects: string | undefined;
  readonly delimiter: string | undefined;
  readonly encoding: string | undefined;
}

/** @throws Error with a sentence that says what is wrong. */
export function readArguments(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ImportArguments {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      org: { type: 'string' },
      url: { type: 'string', default: 'http://127.0.0.1:3000' },
      rejects: { type: 'string' },
      delimiter: { type: 'string' },
      encoding: { type: 'string' },
      'dry-run': { type: 'boolean', default: false },
      'skip-unchanged': { type: 'boolean', default: false },
      'api-key-env': { type: 'string' },
    },
  });
  const [file] = positionals;
  if (file === undefined || positionals.length > 1) throw new Error('Name one file');
  if (values.org === undefined) throw new Error('--org is missing');
  if (!URL.canParse(values.url)) throw new Error('--url is no address');
  const variable = values['api-key-env'];
  const apiKey = env[variable ?? 'BRIDGE_API_KEY'];
  if (variable !== undefined && (apiKey ?? '') === '') throw new Error(`${variable} is not set`);

  const address = new URL('map', values.url.replace(/\/*$/, '/'));
  address.searchParams.set('orgId', values.org);
  if (values['dry-run']) address.searchParams.set('dryRun', 'true');
  if (values['skip-unchanged']) address.searchParams.set('skipUnchanged', 'true');
  return {
    file,
    address,
    apiKey,
    rejects: values.rejects,
    delimiter: delimiterOf(values.delimiter),
    encoding: encodingOf(values.encoding),
  };
}

function delimiterOf(given: string | undefined): string | undefined {
  if (given === 'tab' || given === '\\t') return '\t';
  if (given !== undefined && !/^[^"\r\n]$/u.test(given)) {
    throw new Error('--delimiter is not one character, and not "tab"');
  }
  return given;
}

function encodingOf(given: string | undefined): string | undefined {
  if (given === undefined) return undefined;
  try {
    return new TextDecoder(given).encoding;
  } catch {
    throw new Error(
      `--encoding ${JSON.stringify(given)} is not known; allowed: the names of the WHATWG, such as utf-8, utf-16le, windows-1252, iso-8859-15, shift_jis, gb18030`,
    );
  }
}
