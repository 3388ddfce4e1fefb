/** Systems Manager's Parameter Store in process, with Secrets Manager's reference path. */

import type {
  DeleteParameterRequest,
  GetParameterRequest,
  GetParametersByPathRequest,
  GetParametersRequest,
  LabelParameterVersionRequest,
  PutParameterRequest,
} from '@aws-sdk/client-ssm'
import type { Clock } from '../../src/ports/log-store.ts'
import { AwsFailure, throttled } from './json-service.ts'
import { ServiceDouble } from './service-double.ts'

export interface SsmOptions {
  readonly clock: Clock
  readonly port?: number
  /** Secrets of Secrets Manager by name, read as `/aws/reference/secretsmanager/<name>`. May change at any time. */
  readonly secrets?: ReadonlyMap<string, string>
}

type ParameterType = 'String' | 'StringList' | 'SecureString'

interface Version {
  readonly type: ParameterType
  readonly value: string
  readonly tier: 'Standard' | 'Advanced'
  readonly modifiedMs: number
  readonly labels: Set<string>
}

const SECRETS_PATH = '/aws/reference/secretsmanager/'
const VALUE_BYTES_MAX = { Standard: 4096, Advanced: 8192 }
const NAMES_MAX = 10
const PAGE_MAX = 10
const VERSIONS_MAX = 100
/** The default quota shared by GetParameter, GetParameters and GetParametersByPath. */
const CALLS_PER_SECOND_MAX = 40

export class SsmDouble extends ServiceDouble {
  readonly #options: SsmOptions
  /** Versions by name; the first is version 1. */
  readonly #parameters = new Map<string, Version[]>()
  #second = 0
  #callsOfSecond = 0
  /** True rejects more than 40 reads per second of the clock. */
  throttles = false

  private constructor(options: SsmOptions) {
    super()
    this.#options = options
  }

  static async start(options: SsmOptions): Promise<SsmDouble> {
    const double = new SsmDouble(options)
    return double.serve('AmazonSSM', double.#operations(), options.port)
  }

  /** The newest value as it was put; undefined if the parameter does not exist. */
  value(name: string): string | undefined {
    return this.#parameters.get(name)?.at(-1)?.value
  }

  /** Sets a parameter without a call: for the start of a test, and for a rotation that the reader does not notice. */
  set(name: string, value: string, type: ParameterType = 'String'): void {
    this.#put({ Name: name, Value: value, Type: type, Overwrite: true })
  }

  #operations() {
    return {
      PutParameter: (input: PutParameterRequest) => this.#put(input),
      GetParameter: (input: GetParameterRequest) => this.#get(input),
      GetParameters: (input: GetParametersRequest) => this.#getSome(input),
      GetParametersByPath: (input: GetParametersByPathRequest) => this.#getByPath(input),
      DeleteParameter: ({ Name = '' }: DeleteParameterRequest) => {
        if (!this.#parameters.delete(Name)) throw notFound(Name)
        return {}
      },
      LabelParameterVersion: (input: LabelParameterVersionRequest) => this.#label(input),
    }
  }

  #put(input: PutParameterRequest): object {
    const { Name = '', Value = '', Overwrite = false, Tier } = input
    checkName(Name)
    const versions = this.#parameters.get(Name) ?? []
    const latest = versions.at(-1)
    if (latest !== undefined && !Overwrite) {
      throw new AwsFailure(
        'ParameterAlreadyExists',
        'The parameter already exists. To overwrite this value, set the overwrite option in the request to true.',
      )
    }
    const type = input.Type ?? latest?.type
    if (type === undefined) throw invalid('A parameter type is required when you create a parameter.')
    const tier = tierFor(Value, Tier ?? latest?.tier ?? 'Standard')
    const modifiedMs = this.#options.clock.nowMs()
    versions.push({ type: type as ParameterType, value: Value, tier, modifiedMs, labels: new Set() })
    // The oldest versions are deleted, and their numbers are not reused.
    if (versions.length > VERSIONS_MAX) delete versions[versions.length - 1 - VERSIONS_MAX]
    this.#parameters.set(Name, versions)
    return { Version: versions.length, Tier: tier }
  }

  #get({ Name = '', WithDecryption = false }: GetParameterRequest): object {
    this.#countRead()
    const found = this.#find(Name, WithDecryption)
    if (found === undefined) throw Name.includes(':') && this.#isKnown(Name) ? versionNotFound(Name) : notFound(Name)
    return { Parameter: found }
  }

  #getSome({ Names = [], WithDecryption = false }: GetParametersRequest): object {
    this.#countRead()
    if (Names.length === 0 || Names.length > NAMES_MAX) {
      const bound = Names.length === 0 ? 'greater than or equal to 1' : `less than or equal to ${NAMES_MAX}`
      throw invalid(
        `1 validation error detected: Value '[${Names.join(', ')}]' at 'names' failed to satisfy constraint: Member must have length ${bound}`,
      )
    }
    if (new Set(Names).size < Names.length) throw invalid('Duplicate parameter names are not allowed.')
    const found = Names.map((name) => ({ name, parameter: this.#find(name, WithDecryption) }))
    return {
      Parameters: found.flatMap(({ parameter }) => parameter ?? []),
      InvalidParameters: found.filter(({ parameter }) => parameter === undefined).map(({ name }) => name),
    }
  }

  #getByPath(input: GetParametersByPathRequest): object {
    this.#countRead()
    const { Path = '/', Recursive = false, WithDecryption = false, MaxResults = PAGE_MAX, NextToken } = input
    if (!Path.startsWith('/')) throw invalid('The parameter path must begin with a forward slash (/).')
    if (MaxResults > PAGE_MAX) {
      throw invalid(
        `1 validation error detected: Value '${MaxResults}' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to ${PAGE_MAX}`,
      )
    }
    const folder = Path.endsWith('/') ? Path : `${Path}/`
    const names = [...this.#parameters.keys()]
      .filter((name) => name.startsWith(folder) && (Recursive || !name.slice(folder.length).includes('/')))
      .sort()
    const start = Number(NextToken ?? 0)
    const end = start + MaxResults
    return {
      Parameters: names.slice(start, end).flatMap((name) => this.#find(name, WithDecryption) ?? []),
      ...(end < names.length && { NextToken: String(end) }),
    }
  }

  #label({ Name = '', ParameterVersion, Labels = [] }: LabelParameterVersionRequest): object {
    const versions = this.#parameters.get(Name)
    if (versions === undefined) throw notFound(Name)
    const number = ParameterVersion ?? versions.length
    const version = versions[number - 1]
    if (version === undefined) throw versionNotFound(`${Name}:${number}`)
    // A label belongs to one version at a time, so it moves.
    for (const label of Labels) {
      for (const other of versions) other?.labels.delete(label)
      version.labels.add(label)
    }
    return { InvalidLabels: [], ParameterVersion: number }
  }

  #isKnown(name: string): boolean {
    return this.#parameters.has(splitSelector(name).name)
  }

  #find(nameAndSelector: string, isDecrypted: boolean): object | undefined {
    if (nameAndSelector.startsWith(SECRETS_PATH)) return this.#findSecret(nameAndSelector, isDecrypted)
    const { name, selector } = splitSelector(nameAndSelector)
    const versions = this.#parameters.get(name) ?? []
    const at =
      selector === undefined
        ? versions.length - 1
        : versions.findIndex((version, at) => String(at + 1) === selector || version?.labels.has(selector))
    const version = versions[at]
    if (version === undefined) return undefined
    const isCiphertext = version.type === 'SecureString' && !isDecrypted
    return {
      Name: name,
      Type: version.type,
      Value: isCiphertext ? encrypt(version.value) : version.value,
      Version: at + 1,
      ...(selector !== undefined && { Selector: `:${selector}` }),
      LastModifiedDate: version.modifiedMs / 1000,
      ARN: arnOf(name),
      DataType: 'text',
    }
  }

  #findSecret(name: string, isDecrypted: boolean): object | undefined {
    if (!isDecrypted) {
      throw invalid('WithDecryption flag must be True for retrieving a Secret Manager secret.')
    }
    const value = this.#options.secrets?.get(name.slice(SECRETS_PATH.length))
    if (value === undefined) return undefined
    const LastModifiedDate = this.#options.clock.nowMs() / 1000
    const common = { Type: 'SecureString', Version: 0, LastModifiedDate, DataType: 'text' }
    return { ...common, Name: name, Value: value, ARN: arnOf(name) }
  }

  #countRead(): void {
    if (!this.throttles) return
    const second = Math.floor(this.#options.clock.nowMs() / 1000)
    if (second !== this.#second) this.#callsOfSecond = 0
    this.#second = second
    if (++this.#callsOfSecond > CALLS_PER_SECOND_MAX) throw throttled()
  }
}

function arnOf(name: string): string {
  return `arn:aws:ssm:us-east-1:000000000000:parameter${name.startsWith('/') ? '' : '/'}${name}`
}

/** `name:3` and `name:label` select a version; the ARN may replace a name that is a path. */
function splitSelector(text: string): { name: string; selector: string | undefined } {
  const path = text.replace(/^arn:[^:]*:ssm:[^:]*:[^:]*:parameter/, '')
  const colon = path.lastIndexOf(':')
  return colon === -1
    ? { name: path, selector: undefined }
    : { name: path.slice(0, colon), selector: path.slice(colon + 1) }
}

function checkName(name: string): void {
  if (!/^[\w./-]+$/.test(name) || name.length > 1011) {
    throw invalid(
      'Parameter name: can\'t be prefixed with "ssm" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_',
    )
  }
  if (/^\/?(aws|ssm)/i.test(name)) throw invalid(`No access to reserved parameter name: ${name}.`)
  if (name.includes('/') && !name.startsWith('/')) throw invalid('Parameter name must be a fully qualified name.')
}

function tierFor(value: string, wanted: string): 'Standard' | 'Advanced' {
  const bytes = Buffer.byteLength(value)
  if (bytes === 0) {
    throw invalid(
      "1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1",
    )
  }
  const fits = bytes <= VALUE_BYTES_MAX.Standard ? 'Standard' : 'Advanced'
  const tier = wanted === 'Intelligent-Tiering' ? fits : wanted === 'Advanced' ? 'Advanced' : 'Standard'
  if (bytes <= VALUE_BYTES_MAX[tier]) return tier
  throw invalid(
    tier === 'Standard'
      ? 'Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier.'
      : 'Advanced tier parameters support a maximum parameter value of 8192 characters.',
  )
}

/** Recognisable but not the value: the result of reads without decryption. */
function encrypt(value: string): string {
  return `AQICAH${Buffer.from(value).toString('base64url').split('').reverse().join('')}`
}

function notFound(name: string): AwsFailure {
  return new AwsFailure('ParameterNotFound', `Parameter ${name} not found.`)
}

function versionNotFound(name: string): AwsFailure {
  return new AwsFailure('ParameterVersionNotFound', `Systems Manager could not find version ${name} of the parameter.`)
}

function invalid(message: string): AwsFailure {
  return new AwsFailure('ValidationException', message)
}
