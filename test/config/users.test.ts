import t from 'tap'
import { users } from '../../src/config/users.ts'

const { parse } = users()

t.test('accepts one user in the format of a Secrets Manager secret', async (t) => {
  const rows = [
    ['{"username":"stytch","password":"p,w:1"}', undefined],
    ['\n {"password":"p,w:1","username":"stytch","tenant":"t1"} ', 't1'],
    ['{"name":"stytch","password":"p,w:1"}', undefined],
  ] as const
  for (const [text, tenant] of rows) {
    t.same(parse(text), { value: [{ name: 'stytch', password: 'p,w:1', tenant }] }, text)
  }
})

const refused: readonly (readonly [name: string, text: string, wanted: RegExp])[] = [
  ['a secret with two names', '{"username":"a","name":"b","password":"pw"}', /in entry 1/],
  ['a secret without a password', '{"username":"a"}', /in entry 1/],
  ['a secret with an unknown field', '{"username":"a","password":"pw","engine":"x"}', /no other fields/],
  ['a secret whose name is not text', '{"username":1,"password":"pw"}', /in entry 1/],
  ['a secret with an empty password', '{"username":"a","password":""}', /a password/],
  ['JSON that ends too early', '{"username":"a","password":"pw"', /name:password/],
]

for (const [name, text, wanted] of refused) {
  t.test(`rejects ${name}, and does not show it`, async (t) => {
    const parsed = parse(text)
    t.match(parsed, { fault: wanted })
    t.notMatch(parsed, { fault: /pw/ })
  })
}
