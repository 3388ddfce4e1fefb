import { globSync, readFileSync } from 'node:fs'
import t from 'tap'
import { parseConversation, playConversation } from './conversation.ts'
import { buildTestApp } from './test-app.ts'

for (const file of globSync('test/conversations/*.txt').sort()) {
  t.test(`${file} goes as recorded`, async (t) => {
    const { app } = await buildTestApp(t)
    await playConversation(t, app, parseConversation(readFileSync(file, 'utf8')))
  })
}

t.test('a text without an exchange is refused', async (t) => {
  t.throws(() => parseConversation('> GRAB /x\n< 200'), /no exchange/)
})
