import { readFileSync } from 'node:fs'
import t from 'tap'
import { drawAnomalies } from '../../scripts/draw-anomalies.ts'

t.test('the picture in the documents is up to date, and shows what its titles say', async (t) => {
  const picture = drawAnomalies()
  t.ok(picture === readFileSync('docs/anomalies.svg', 'utf8'), 'draw it again: node scripts/draw-anomalies.ts')
  const panels = picture.split('font-weight="bold">').slice(1)
  const incidents = panels.map((panel) => panel.match(/<rect [^>]*height="84"/g)?.length ?? 0)
  t.strictSame(incidents, [0, 2, 1, 0, 1])
})

t.test('another seed, another picture', async (t) => {
  t.not(drawAnomalies(1), drawAnomalies(2))
})
