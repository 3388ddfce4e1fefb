/** Wrong passwords that use up the failed logins of an address. */

import { type Attack, assertHolds } from './attack.ts'

const basic = (name: string, password: string) => `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`

export const inventedNames: Attack = {
  name: 'lock-out',
  promise:
    'wrong passwords for invented names do not lock out a user at the same address, and guesses still end in 429',
  async run(field) {
    const { url } = await field.start({ env: { MILLRACE_USERS: 'agent:secret,reader:other' } })
    const statusOf = async (authorization: string, forwardedFor?: string): Promise<number> => {
      const headers = { authorization, ...(forwardedFor && { 'x-forwarded-for': forwardedFor }) }
      const response = await fetch(`${url}/loki/api/v1/labels`, { headers })
      await response.arrayBuffer()
      return response.status
    }
    const before = await statusOf(basic('agent', 'secret'))
    let guesses = 0
    let statusOfGuess = 0
    for (; guesses < 5000 && statusOfGuess !== 429; guesses++)
      statusOfGuess = await statusOf(basic(`name-${guesses % 500}`, 'x'))
    for (let i = 0; i < 3000; i++) await statusOf(basic(`name-${i}`, 'x'))
    const after = await statusOf(basic('agent', 'secret'))
    assertHolds(
      before === 200 && after === 200,
      `the user got ${before} before the wrong passwords and ${after} after them`,
    )
    assertHolds(statusOfGuess === 429, `${guesses} wrong passwords got no 429`)
    const guessed = await statusOf(basic('reader', 'other'))
    assertHolds(guessed === 429, `a right guess at an address without failures left got ${guessed}`)
    return `user ${before} before, ${after} after; wrong passwords 429 after ${guesses}; a right guess ${guessed}`
  },
}
