/**
 * Arithmetic as it stands in a document: + - * / ^, parentheses, numbers, names, and min, max, ceil, floor, sqrt, cbrt.
 * What the reader sees is what was computed.
 */
export class FormulaError extends Error {
  override readonly name = 'FormulaError';
}

const functions: Readonly<Record<string, (...values: number[]) => number>> = {
  min: Math.min,
  max: Math.max,
  ceil: Math.ceil,
  floor: Math.floor,
  sqrt: Math.sqrt,
  cbrt: Math.cbrt,
};

const TOKEN = /\s*([A-Za-z][A-Za-z0-9]*|\d+(?:\.\d+)?(?:e\d+)?|[-+*/^(),])/y;

/** @throws FormulaError for what is not a formula, or names something that `lookup` does not know */
export function evaluate(formula: string, lookup: (name: string) => number | undefined): number {
  const tokens = tokensOf(formula);
  let at = 0;
  const take = (wanted: string): void => {
    if (tokens[at++] !== wanted) throw new FormulaError(`${formula}: ${wanted} is wanted at word ${at}`);
  };
  /** `next (sign next)*`, from the left */
  const chain = (next: () => number, signs: Readonly<Record<string, (a: number, b: number) => number>>): number => {
    let value = next();
    for (let apply = signs[tokens[at] ?? '']; apply !== undefined; apply = signs[tokens[at] ?? '']) {
      at++;
      value = apply(value, next());
    }
    return value;
  };
  const sum = (): number => chain(product, { '+': (a, b) => a + b, '-': (a, b) => a - b });
  const product = (): number => chain(power, { '*': (a, b) => a * b, '/': (a, b) => a / b });
  const power = (): number => chain(atom, { '^': (a, b) => a ** b });
  const list = (): number[] => {
    const values = [sum()];
    for (; tokens[at] === ','; values.push(sum())) at++;
    take(')');
    return values;
  };
  const atom = (): number => {
    const token = tokens[at++] ?? '';
    if (token === '(') {
      const value = sum();
      take(')');
      return value;
    }
    if (/^\d/.test(token)) return Number(token);
    const call = functions[token];
    if (call !== undefined) {
      take('(');
      return call(...list());
    }
    const value = lookup(token);
    if (value === undefined) throw new FormulaError(`${formula}: ${token || 'its end'} is not known`);
    return value;
  };
  const value = sum();
  if (at < tokens.length) throw new FormulaError(`${formula}: ${tokens[at]} is too much`);
  return value;
}

function tokensOf(formula: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < formula.trimEnd().length) {
    const from = TOKEN.lastIndex;
    const match = TOKEN.exec(formula);
    if (match === null) throw new FormulaError(`${formula}: ${formula.slice(from)} makes no sense`);
    tokens.push(match[1]!);
  }
  return tokens;
}
