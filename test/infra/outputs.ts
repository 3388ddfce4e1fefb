/** A stand-in for Pulumi's outputs, equally strict: a value can only be read through `apply` or an interpolation. */

const VALUE = Symbol('value')

/** Properties of the value are outputs too, because Pulumi lifts them. */
export function makeOutput(value: unknown): object {
  const output = {
    [VALUE]: value,
    apply: (change: (value: never) => unknown) => makeOutput(unwrap(change(unwrap(value) as never))),
    toString: () => {
      throw new Error('an output has no text; use $interpolate')
    },
    toJSON: () => {
      throw new Error('an output has no JSON; use $jsonStringify')
    },
  }
  return new Proxy(output, {
    get: (target, key) => {
      if (key in target || typeof key === 'symbol') return Reflect.get(target, key)
      if (key === 'then') return undefined
      return makeOutput((value as Record<string, unknown> | undefined)?.[key])
    },
  })
}

export function isOutput(value: unknown): value is object {
  return typeof value === 'object' && value !== null && VALUE in value
}

/** The value without outputs in it; undefined members are omitted. */
export function unwrap(value: unknown): unknown {
  if (isOutput(value)) return unwrap((value as { [VALUE]: unknown })[VALUE])
  if (Array.isArray(value)) return value.map(unwrap)
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  const members = Object.entries(value).map(([key, member]) => [key, unwrap(member)] as const)
  return Object.fromEntries(members.filter(([, member]) => member !== undefined))
}

export function interpolate(texts: TemplateStringsArray, ...values: readonly unknown[]): object {
  return makeOutput(texts.reduce((text, part, at) => `${text}${String(unwrap(values[at - 1]))}${part}`))
}
