import t from 'tap'
import { AGENTS } from './agents.ts'
import { fitRecipe } from './recipe.ts'

for (const { name, recipe } of AGENTS) {
  t.test(`${name}: the configuration of docs/clients/${recipe.page} fits a folder and a port`, async (t) => {
    const text = await fitRecipe(recipe.page, recipe.index, 54321, '/tmp/trial')
    t.match(text, /127\.0\.0\.1:54321|port: 54321/, 'the gateway')
    t.match(text, '/tmp/trial/app', 'the files')
    t.notMatch(text, /3100|\/var\//, 'nothing of the page is left')
  })
}

t.test('a page without such a configuration is an error', async (t) => {
  await t.rejects(fitRecipe('promtail.md', 1, 1, '/tmp'), /docs\/clients\/promtail.md has no configuration 2/)
})
