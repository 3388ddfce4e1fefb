import { globSync, readFileSync } from 'node:fs'
import t from 'tap'
import { parseConversation, playConversation } from '../support/conversation.ts'
import { HOMES } from '../support/homes.ts'

for (const home of HOMES) {
  for (const file of globSync('test/conversations/*.txt').sort()) {
    // In the aws home, lines are deleted from the bucket directly.
    const skip = file.endsWith('delete.txt') && !home.deletes && 'this home takes no delete requests'
    t.test(`${file} goes as recorded in ${home.name}`, { skip }, async (t) => {
      const { app, settle } = await home.start(t)
      await playConversation(t, app, parseConversation(readFileSync(file, 'utf8')), settle)
    })
  }
}

t.test('a text without an exchange is refused', async (t) => {
  t.throws(() => parseConversation('> GRAB /x\n< 200'), /no exchange/)
})
