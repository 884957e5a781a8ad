import t from 'tap';
import { atLeast } from './nats-version.ts';

t.test('versions compare by their numbers', async (t) => {
  const table: [version: string, enough: boolean][] = [
    ['2.10.27', true],
    ['2.10.28', true],
    ['2.11.0', true],
    ['3.0.0', true],
    ['2.12.0-RC.1', true],
    ['2.10.9', false],
    ['2.9.10', false],
    ['2.9.100', false],
    ['1.99.99', false],
  ];
  for (const [version, enough] of table) t.equal(atLeast(version, '2.10.27'), enough, version);
});
