import Fastify from 'fastify'
import t from 'tap'
import { type Heap, HeapGuard, registerHeapGuard } from '../../../src/transport/http/heap-guard.ts'
import { FixedClock } from '../../support/helper.ts'

function heapOf(live: number, garbage: number): Heap & { live: number; garbage: number; collections: number } {
  return {
    limitBytes: 100,
    live,
    garbage,
    collections: 0,
    usedBytes() {
      return this.live + this.garbage
    },
    collect() {
      this.garbage = 0
      this.collections++
    },
  }
}

t.test('garbage keeps nobody out', async (t) => {
  const heap = heapOf(50, 40)
  const guard = new HeapGuard(heap, new FixedClock())
  guard.assertRoom()
  guard.assertRoom()
  t.equal(heap.collections, 1)
})

t.test('refuses while the heap is in use, and looks again every two seconds', async (t) => {
  const clock = new FixedClock()
  const heap = heapOf(90, 5)
  const guard = new HeapGuard(heap, clock)
  for (let i = 0; i < 10; i++) t.throws(() => guard.assertRoom(), { code: 'overloaded', message: /max-old-space-size/ })
  t.equal(heap.collections, 1)
  Object.assign(heap, { live: 50, garbage: 45 })
  t.throws(() => guard.assertRoom())
  clock.ms += 2000
  guard.assertRoom()
  t.equal(heap.collections, 2)
})

t.test('health and metrics are served all the same', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  registerHeapGuard(app, new HeapGuard(heapOf(90, 0), new FixedClock()))
  for (const url of ['/healthz', '/ready', '/metrics', '/loki/api/v1/push']) app.get(url, async () => 'served')
  for (const [url, status] of [
    ['/healthz', 200],
    ['/ready', 200],
    ['/metrics', 200],
    ['/loki/api/v1/push', 503],
    ['/nowhere', 503],
  ] as const) {
    t.equal((await app.inject(url)).statusCode, status, url)
  }
})
