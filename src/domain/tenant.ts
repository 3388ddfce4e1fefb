/** Tenant ids: what a header may name. */

import { GatewayError } from './errors.ts'

export const TENANT_CHARS_MAX = 150
/** Tenants that one query may name together: each of them is read. */
export const TENANTS_MAX = 16

const TENANT = /^[A-Za-z0-9!\-_.*'()]+$/

/** True for what Loki takes as the id of a tenant. See "Tenant IDs" in Grafana's documentation. */
export function isTenant(text: string): boolean {
  return text.length <= TENANT_CHARS_MAX && TENANT.test(text) && text !== '.' && text !== '..'
}

/** The one tenant that an `X-Scope-OrgID` names; throws tenant_invalid. */
export function parseTenant(header: string): string {
  if (header.includes('|')) {
    throw new GatewayError(
      'tenant_invalid',
      // In brackets Loki's words, which clients know.
      'tenant id names several tenants by "|" (multiple org IDs present); this request takes one: send one id',
    )
  }
  if (!isTenant(header)) throw new GatewayError('tenant_invalid', describeFault(header))
  return header
}

/**
 * The tenants that an `X-Scope-OrgID` of a query names, `a` or `a|b`: each once, sorted, as Loki resolves them.
 * Throws tenant_invalid.
 */
export function parseTenants(header: string): readonly string[] {
  const tenants = header.split('|', TENANTS_MAX + 1)
  if (tenants.length > TENANTS_MAX) {
    throw new GatewayError('tenant_invalid', `tenant id names more than ${TENANTS_MAX} tenants; ask for fewer at once`)
  }
  return [...new Set(tenants.map(parseTenant))].sort()
}

/** Tenants as one name for a read: a tenant's own, or several with the `|` between that no name has. */
export function joinTenants(tenants: readonly string[]): string {
  return tenants.join('|')
}

/** The tenants that joinTenants was given. */
export function splitTenants(joined: string): readonly string[] {
  return joined.split('|')
}

function describeFault(header: string): string {
  if (header === '') return 'tenant id is empty; send an id or leave the header out'
  if (header.length > TENANT_CHARS_MAX) {
    return `tenant id is ${header.length} characters long; the limit is ${TENANT_CHARS_MAX}`
  }
  return `tenant id holds something else than A-Z a-z 0-9 ! - _ . * ' ( ), or is "." or ".."; choose another id`
}
