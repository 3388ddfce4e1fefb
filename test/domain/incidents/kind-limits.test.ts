import t from 'tap'
import { KINDS_OF_SERVICE_MAX, KINDS_OF_TENANT_MAX, KindLimits } from '../../../src/domain/incidents/kind-limits.ts'

const MINUTE_MS = 60_000

t.test('a service that never writes the same is one, and the others are as they were', async (t) => {
  const limits = new KindLimits()
  for (let i = 0; i < KINDS_OF_SERVICE_MAX; i++) t.equal(limits.admit('a', 'shop', `kind ${i}`), 'own')
  t.equal(limits.admit('a', 'shop', 'one more'), 'service')
  t.equal(limits.admit('a', 'shop', 'kind 0'), 'own', 'what was there stays')
  t.equal(limits.admit('a', 'mail', 'one more'), 'own')
  t.equal(limits.admit('b', 'shop', 'one more'), 'own', 'of another tenant')
})

t.test('a tenant whose services are without number is one', async (t) => {
  const limits = new KindLimits()
  for (let i = 0; i < KINDS_OF_TENANT_MAX; i++) t.equal(limits.admit('a', `service ${i}`, 'down'), 'own')
  t.equal(limits.admit('a', 'a new one', 'down'), 'tenant')
  t.equal(limits.admit('a', 'service 0', 'up'), 'service')
  t.equal(limits.admit('b', 'a new one', 'down'), 'own')
})

t.test('it begins anew after ten minutes, and when the clock was set back', async (t) => {
  const limits = new KindLimits()
  limits.renew(100 * MINUTE_MS)
  const fill = (): void => {
    for (let i = 0; i < KINDS_OF_SERVICE_MAX; i++) limits.admit('a', 'shop', `kind ${i}`)
  }
  fill()
  limits.renew(110 * MINUTE_MS - 1)
  t.equal(limits.admit('a', 'shop', 'other'), 'service')
  limits.renew(110 * MINUTE_MS)
  t.equal(limits.admit('a', 'shop', 'other'), 'own')
  fill()
  limits.renew(50 * MINUTE_MS)
  t.equal(limits.admit('a', 'shop', 'yet another'), 'own')
})

t.test('its memory is bounded, however many tenants there are', async (t) => {
  const limits = new KindLimits()
  let own = 0
  for (let i = 0; i < 100_000; i++) if (limits.admit(`tenant ${i}`, 'shop', 'down') === 'own') own++
  t.equal(own, 20_000)
})
