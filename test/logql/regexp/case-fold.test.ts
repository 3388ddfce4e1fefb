import { RE2JS } from 're2js'
import t from 'tap'
import { foldCase } from '../../../src/logql/regexp/case-fold.ts'

/** Every character with another case. */
const CASED = Array.from({ length: 0x20000 }, (_, code) => (code >= 0xd800 && code <= 0xdfff ? 0 : code))
  .map((code) => String.fromCodePoint(code))
  .filter((char) => char.toUpperCase() !== char || char.toLowerCase() !== char)

t.test('characters that RE2 treats as equal have the same folded form', async (t) => {
  const byForm = Map.groupBy(CASED, foldCase)
  const text = CASED.join('')
  const wrong = CASED.filter((char, i) => {
    // A seventh of them, and all known special cases.
    if (i % 7 !== 0 && !'iI\u0131sS\u017fkK\u212a\u0390\u03b0\u1fd3\u1fe3\ufb05\ufb06\u00df\u1e9e'.includes(char))
      return false
    const matcher = RE2JS.compile(`(?i)${RE2JS.quote(char)}`).matcher(text)
    const same: string[] = []
    while (matcher.find()) same.push(matcher.group() ?? '')
    return same.sort().join() !== (byForm.get(foldCase(char)) ?? []).toSorted().join()
  })
  t.strictSame(wrong, [])
})

t.test('a folded text has as many characters', async (t) => {
  t.equal(foldCase('ERROR Straße ŉ İ'), 'error straße ŉ İ')
})
