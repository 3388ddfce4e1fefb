import { globSync, readFileSync } from 'node:fs'
import t from 'tap'
import { COSTS } from '../../web/costs.ts'
import { ADVICE } from '../../web/refusals.ts'

const sources = globSync('web/**/*.{ts,tsx}', { exclude: (path) => String(path).includes('built') })
const textOf = (path: string): string => readFileSync(path, 'utf8')

t.test('the page requests only this gateway, and never renders data as markup', async (t) => {
  t.ok(sources.length > 30)
  for (const path of sources) {
    const text = textOf(path)
    t.notMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|\beval\(/, path)
    t.notMatch(text, /https?:\/\//, path)
  }
})

t.test('the page imports only the lexer and the domain of the gateway, and nothing imports the page', async (t) => {
  for (const path of sources) {
    for (const [, from = ''] of textOf(path).matchAll(/from '([^']*\/src\/[^']+)'/g)) {
      t.match(from, /\/src\/(?:logql\/parse\/lex\.ts|domain\/)/, path)
    }
  }
  for (const path of globSync('src/**/*.ts')) t.notMatch(textOf(path), /from '[^']*\/web\//, path)
})

/** The contrast of two colours as WCAG 2.2 defines it. */
function contrast(a: string, b: string): number {
  const luminance = (hex: string): number => {
    const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
      const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y)
  return (high + 0.05) / (low + 0.05)
}

t.test('contrast is at least 4.5 for text and 3 for fills, in the light and the dark theme', async (t) => {
  const colors = new Map(
    [...textOf('web/tokens.css').matchAll(/--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)/g)].map(([, name, ...pair]) => [
      name,
      pair,
    ]),
  )
  const levels = ['critical', 'error', 'warn', 'info', 'debug', 'unknown']
  const words = ['text', 'soft', 'faint', 'accent', ...levels.map((level) => `t-${level}`)]
  const check = (names: readonly string[], backs: readonly string[], least: number): void => {
    for (const name of names) {
      for (const back of backs) {
        for (const theme of [0, 1]) {
          const found = contrast(colors.get(name)?.[theme] ?? '', colors.get(back)?.[theme] ?? '')
          t.ok(found >= least, `${name} on ${back}: ${found.toFixed(2)} in ${theme === 0 ? 'light' : 'dark'}`)
        }
      }
    }
  }
  check(words, ['panel', 'bg', 'sunk', 'hover'], 4.5)
  check([...levels.map((level) => `f-${level}`), ...Array.from({ length: 10 }, (_, i) => `c${i}`)], ['panel'], 3)
})

t.test('every reason for a rejection has advice', async (t) => {
  const names = [
    ...(textOf('docs/errors.md')
      .split('<!-- reasons -->')[1]
      ?.matchAll(/^\| `(\w+)` \|/gm) ?? []),
  ].map(([, name]) => name)
  t.strictSame(Object.keys(ADVICE).sort(), names.sort())
})

t.test('cost figures match docs/cost.md', async (t) => {
  const text = textOf('docs/cost.md')
  t.match(text, `collected on ${COSTS.pricesOf}`)
  t.match(text, new RegExp(`\\| pushes of 1 MiB \\|.*\\*\\*${COSTS.large.toFixed(3)}\\*\\*`))
  t.match(text, new RegExp(`\\| pushes of 10 KB \\|.*\\*\\*${COSTS.small}\\*\\*`))
  t.match(text, new RegExp(`\\| CloudWatch Logs, standard .* ${COSTS.cloudWatch.toFixed(2)} \\|`))
  t.match(text, `about $${COSTS.box} a month`)
})
