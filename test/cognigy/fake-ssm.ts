/** In-memory SSM parameters with the interface of an SDK client: versions increase by one, values have at most 4 KB. */

import type { SSMClient } from '@aws-sdk/client-ssm'

export class FakeSsm {
  readonly parameters = new Map<string, { Value: string; Version: number }>()
  readonly calls: string[] = []
  /** Called before (`isDone` false) and after each call; what it throws is the outcome of the call. */
  fault: (name: string, isDone: boolean) => void = () => {}

  get client(): Pick<SSMClient, 'send'> {
    const send = async (command: { constructor: { name: string }; input: Record<string, unknown> }) => {
      const name = command.constructor.name.replace(/Command$/, '')
      this.fault(name, false)
      this.calls.push(name)
      const answer = name === 'PutParameter' ? this.#put(command.input) : this.#get(command.input['Names'] as string[])
      this.fault(name, true)
      return answer
    }
    return { send } as unknown as Pick<SSMClient, 'send'>
  }

  #get(names: readonly string[]): object {
    if (names.length > 10) throw new Error('ValidationException')
    const found = names.flatMap((Name) => {
      const parameter = this.parameters.get(Name)
      return parameter === undefined ? [] : [{ Name, Type: 'String', ...parameter }]
    })
    return { Parameters: found, InvalidParameters: names.filter((name) => !this.parameters.has(name)) }
  }

  #put({ Name, Value }: Record<string, unknown>): object {
    if (String(Value).length > 4096) throw Object.assign(new Error('too long'), { name: 'ValidationException' })
    const Version = (this.parameters.get(String(Name))?.Version ?? 0) + 1
    this.parameters.set(String(Name), { Value: String(Value), Version })
    return { Version, Tier: 'Standard' }
  }
}
