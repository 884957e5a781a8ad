import t from 'tap';
import { evaluate, FormulaError } from './formula.ts';

const names: Readonly<Record<string, number>> = { a: 3, perDay: 86_400 };
const of = (formula: string) => evaluate(formula, (name) => names[name]);

t.test('a formula is computed as it is read', async (t) => {
  for (const [formula, value] of [
    ['1 + 2 * a', 7],
    ['(1 + 2) * a', 9],
    ['8 - 4 - 2', 2],
    ['8 / 4 / 2', 1],
    ['2 * a ^ 2', 18],
    ['ceil(7 / 2) + max(1, a, 2)', 7],
    ['cbrt(27)', 3],
    ['1e9 / perDay', 1e9 / 86_400],
    ['0.5', 0.5],
  ] as const) {
    t.equal(of(formula), value, formula);
  }
});

t.test('what is not a formula is refused with its text', async (t) => {
  for (const formula of ['', '1 +', 'b', '(1', '1 2', 'a b', 'ceil 2', '1 % 2', 'max(1']) {
    t.throws(() => of(formula), FormulaError, formula);
  }
});
