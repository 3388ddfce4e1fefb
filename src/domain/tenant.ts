/** Tenant ids and their header. */

import { GatewayError } from './errors.ts'

export const TENANT_CHARS_MAX = 150
/** Maximum number of tenants per query. */
export const TENANTS_MAX = 16

const TENANT = /^[A-Za-z0-9!\-_.*'()]+$/

/** True for a valid tenant id by Loki's rules. See "Tenant IDs" in Grafana's documentation. */
export function isTenant(text: string): boolean {
  return text.length <= TENANT_CHARS_MAX && TENANT.test(text) && text !== '.' && text !== '..'
}

/** The single tenant of an `X-Scope-OrgID`; throws tenant_invalid. */
export function parseTenant(header: string): string {
  if (header.includes('|')) {
    throw new GatewayError(
      'tenant_invalid',
      // In parentheses Loki's text, which clients match.
      'tenant id has several tenants separated by "|" (multiple org IDs present); this request accepts one: send one id',
    )
  }
  if (!isTenant(header)) throw new GatewayError('tenant_invalid', describeFault(header))
  return header
}

/**
 * The tenants of a query's `X-Scope-OrgID`, `a` or `a|b`: distinct and sorted, as in Loki. Throws tenant_invalid.
 */
export function parseTenants(header: string): readonly string[] {
  const tenants = header.split('|', TENANTS_MAX + 1)
  if (tenants.length > TENANTS_MAX) {
    throw new GatewayError('tenant_invalid', `tenant id has more than ${TENANTS_MAX} tenants; send fewer`)
  }
  return [...new Set(tenants.map(parseTenant))].sort()
}

/** Joins tenants to one name for a read, separated by `|`, which no tenant id contains. */
export function joinTenants(tenants: readonly string[]): string {
  return tenants.join('|')
}

/** The tenants of a name from joinTenants. */
export function splitTenants(joined: string): readonly string[] {
  return joined.split('|')
}

function describeFault(header: string): string {
  if (header === '') return 'tenant id is empty; send an id or omit the header'
  if (header.length > TENANT_CHARS_MAX) {
    return `tenant id is ${header.length} characters long; the limit is ${TENANT_CHARS_MAX}`
  }
  return `tenant id must have only A-Z a-z 0-9 ! - _ . * ' ( ) and must not be "." or ".."; choose another id`
}
