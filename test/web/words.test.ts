import t from 'tap'
import { readQuestion } from '../../web/query/chips.ts'
import { needlesOf, plainWords, wordsOfStage } from '../../web/query/words.ts'

t.test('a stage is read in plain words', async (t) => {
  const rows: readonly (readonly [stage: string, read: string])[] = [
    ['|= "a"', 'contains a'],
    ['!= "a"', 'does not contain a'],
    ['!~ "a"', 'does not match a'],
    ['!> "a <_>"', 'does not have the pattern a <_>'],
    ['| detected_level =~ "error|fatal"', 'level is error, fatal'],
    ['| detected_level != "info"', 'level is not info'],
    ['| status >= 500', 'status >= 500'],
    ['| json', 'json'],
  ]
  for (const [stage, read] of rows) {
    const found = readQuestion(`{a="b"} ${stage}`)?.stages[0]
    if (found === undefined) return t.fail(stage)
    const { name, words, value } = wordsOfStage(found)
    t.equal([name, words, value].filter((each) => each !== '').join(' '), read)
  }
})

t.test('all plain words of a question are marked in its lines', async (t) => {
  const parts = (query: string, line: string): readonly string[] | undefined => {
    const needles = needlesOf(readQuestion(query))
    return needles && line.split(needles).filter((_, i) => i % 2 === 1)
  }
  t.strictSame(parts('{a="b"} |= "x.y" |= "(z"', 'x.y x-y (z'), ['x.y', '(z'])
  t.strictSame(parts('{a="b"} |~ "(?i)error"', 'Error ERROR'), ['Error', 'ERROR'])
  t.strictSame(parts('{a="b"} |~ "plain"', 'plain Plain'), ['plain'])
  for (const query of ['{a="b"}', '{a="b"} != "x"', '{a="b"} |~ "a.*b"', '{a="b"} |= ""']) {
    t.equal(parts(query, 'x'), undefined, query)
  }
})

t.test('what of a wrong query reads like words can be searched for', async (t) => {
  t.equal(plainWords('{error}'), 'error')
  t.equal(plainWords('{app="shop"} | = 3'), '3')
  t.equal(plainWords('{app="shop"} |= card declined'), 'card declined')
  t.equal(plainWords('{'), '')
})
