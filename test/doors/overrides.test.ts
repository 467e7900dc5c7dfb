import { testAttack } from './support/attack.ts';
import { flood } from './support/requests.ts';

const CONNECTIONS = 10;
const EXPRESSIONS = {
  memory: '$map([1..10000000], function($n) { $string($n) & "x" })',
  endless: '($f := function($n) { $f($n + 1) }; $f(0))',
  deep: '($f := function($n) { [$f($n + 1)] }; $f(0))',
  pattern: '$match("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", /^(a|a)*$/)',
  doubled: '($f := function($s, $n) { $n = 0 ? $s : $f($s & $s, $n - 1) }; $f("xxxxxxxx", 40))',
};

testAttack({
  attack: 'expressions of callers that spin and swell',
  forMs: 10_000,
  settings: { SIMULATE_OVERRIDES: 'true' },
  async run({ service, credentials, signal }) {
    const headers = { ...credentials, 'content-type': 'application/json' };
    const told = Object.entries(EXPRESSIONS).map(async ([name, expression]) => {
      const body = JSON.stringify({ expression });
      const options = { headers, body, connections: CONNECTIONS / 5, signal };
      return `${name}: ${(await flood(`${service.url}/simulate`, options)).toString()}`;
    });
    return (await Promise.all(told)).join('; ');
  },
});
