import { describe, expect, test } from 'vitest';
import { createLogger } from '../../src/lib/logger.ts';

function setup(level: 'info' | 'silent' = 'info') {
  const lines: string[] = [];
  const log = createLogger({ level, destination: { write: (text) => lines.push(text) } });
  return { log, lines };
}

describe('the log', () => {
  test('is one JSON object a line, with level and time as words', () => {
    const { log, lines } = setup();
    log.info({ records: 3 }, 'one\ntwo');
    expect(lines).toHaveLength(1);
    expect(lines[0]?.indexOf('\n')).toBe((lines[0]?.length ?? 0) - 1);
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as unknown,
      records: 3,
      msg: 'one\ntwo',
    });
  });

  test.each([
    'authorization',
    'Authorization',
    'x-api-key',
    'access_token',
    'refresh_token',
    'assertion',
    'client_secret',
    'clientSecret',
    'privateKey',
    'password',
    'apiKey',
    'token',
    'cookie',
    'set-cookie',
  ])('never holds the value of %s, up to three levels deep', (key) => {
    const { log, lines } = setup();
    log.info({
      [key]: 's3cr3t',
      headers: { [key]: 's3cr3t' },
      req: { headers: { [key]: 's3cr3t' } },
    });
    log.child({ call: { [key]: 's3cr3t' } }).info('from a child');
    const failure = Object.assign(new Error('refused'), { details: { [key]: 's3cr3t' } });
    log.error({ err: failure }, 'failed');
    expect(lines).toHaveLength(3);
    expect(lines.join('')).not.toContain('s3cr3t');
    expect(lines.join('')).toContain('[redacted]');
  });

  test('silent is silent', () => {
    const { log, lines } = setup('silent');
    log.fatal('gone');
    expect(lines).toEqual([]);
  });
});
