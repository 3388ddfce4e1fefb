import t from 'tap'
import { buildTestApp } from '../support/test-app.ts'

/** The routes that are public according to docs/security.md. */
const OPEN = ['/healthz', '/ready', '/openapi.json', '/loki/api/v1/status/buildinfo']
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

t.test('every route except the public ones requires credentials, by every method and spelling', async (t) => {
  const { app } = await buildTestApp(t, { MILLRACE_USERS: 'ann:secret' })
  const { paths } = (await app.inject({ url: '/openapi.json' })).json<{ paths: Record<string, object> }>()
  const known = Object.keys(paths)
  t.ok(known.length > 30, 'the document lists the routes')
  const found: string[] = []
  for (const path of known.filter((path) => !OPEN.includes(path))) {
    const url = path.replaceAll(/\{\w+\}/g, 'app')
    for (const spelling of [url, `${url}/`, `${url}?access_token=x`, url.replace(/[a-z]/, encodeFirst)]) {
      for (const method of METHODS) {
        const { statusCode } = await app.inject({ method, url: spelling })
        // Either the route does not exist, or it requires credentials.
        if (statusCode !== 401 && statusCode !== 404) found.push(`${method} ${spelling} ${statusCode}`)
      }
    }
    const answers = await Promise.all(METHODS.map((method) => app.inject({ method, url })))
    t.ok(
      answers.some(({ statusCode }) => statusCode === 401),
      path,
    )
  }
  t.strictSame(found, [])
})

t.test('public routes need no credentials', async (t) => {
  const { app } = await buildTestApp(t, { MILLRACE_USERS: 'ann:secret' })
  for (const url of OPEN) t.equal((await app.inject({ url })).statusCode, 200, url)
})

function encodeFirst(letter: string): string {
  return `%${letter.charCodeAt(0).toString(16)}`
}
