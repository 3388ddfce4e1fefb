/** Template functions for time, and the methods of a time. `Local` is UTC: results must not depend on the server. */

import { fault } from '../budget.ts'
import { civilOf, dayOfYear, epochSeconds, formatTime, formatTimeString } from '../time/time-format.ts'
import { WEEKDAYS } from '../time/time-layout.ts'
import { parseTime } from '../time/time-parse.ts'
import { GoTime, type GoValue, ZERO_TIME } from '../value.ts'
import { define, type RunContext, type TemplateFunction } from './functions.ts'

const NS_PER_MS = 1_000_000n
/** Nanoseconds per unit, by the number of digits of a current epoch in it. */
const NS_BY_DIGITS = new Map([
  [5, 86_400_000_000_000n],
  [10, 1_000_000_000n],
  [13, 1_000_000n],
  [16, 1_000n],
  [19, 1n],
])

export const TIME_FUNCTIONS: readonly (readonly [name: string, made: TemplateFunction])[] = [
  ['now', define([], (_, { nowNs }) => new GoTime(nowNs))],
  ['date', define(['string', 'any'], ([layout, time], context) => printTime(toTime(time, context), layout, context))],
  ['toDate', define(['string', 'string'], ([layout, text]) => parseTime(layout, text, 'UTC') ?? ZERO_TIME)],
  [
    'toDateInZone',
    define(['string', 'string', 'string'], ([layout, zone, text]) => parseTime(layout, text, zone) ?? ZERO_TIME),
  ],
  ['unixEpoch', define(['time'], ([time]) => String(epochSeconds(time)))],
  ['unixEpochMillis', define(['time'], ([time]) => String(floorDivide(time.ns, NS_PER_MS)))],
  ['unixEpochNanos', define(['time'], ([time]) => String(time.ns))],
  ['unixToTime', define(['string'], ([text]) => parseEpoch(text))],
]

/** The methods of time.Time that a template may call. */
export const TIME_METHODS: ReadonlyMap<string, TemplateFunction> = new Map([
  ['Format', define(['time', 'string'], ([time, layout], context) => printTime(time, layout, context))],
  ['String', define(['time'], ([time]) => formatTimeString(time))],
  ['UTC', define(['time'], ([time]) => new GoTime(time.ns))],
  ['Unix', define(['time'], ([time]) => epochSeconds(time))],
  ['UnixMilli', define(['time'], ([time]) => floorDivide(time.ns, NS_PER_MS))],
  ['UnixMicro', define(['time'], ([time]) => floorDivide(time.ns, 1000n))],
  ['UnixNano', define(['time'], ([time]) => BigInt.asIntN(64, time.ns))],
  ['Year', define(['time'], ([time]) => BigInt(civilOf(time).date.getUTCFullYear()))],
  ['Day', define(['time'], ([time]) => BigInt(civilOf(time).date.getUTCDate()))],
  ['YearDay', define(['time'], ([time]) => BigInt(dayOfYear(civilOf(time).date)))],
  ['Weekday', define(['time'], ([time]) => WEEKDAYS[civilOf(time).date.getUTCDay()])],
  ['Hour', define(['time'], ([time]) => BigInt(civilOf(time).date.getUTCHours()))],
  ['Minute', define(['time'], ([time]) => BigInt(civilOf(time).date.getUTCMinutes()))],
  ['Second', define(['time'], ([time]) => BigInt(civilOf(time).date.getUTCSeconds()))],
  ['Nanosecond', define(['time'], ([time]) => BigInt(civilOf(time).nanos))],
  ['IsZero', define(['time'], ([time]) => time.ns === ZERO_TIME.ns)],
])

/** sprig: a number is seconds since the epoch, any other value that is not a time is now. */
function toTime(value: GoValue, { nowNs }: RunContext): GoTime {
  if (value instanceof GoTime) return value
  return new GoTime(typeof value === 'bigint' ? value * 1_000_000_000n : nowNs)
}

function printTime(time: GoTime, layout: string, { budget }: RunContext): string {
  // The output of an element is at most nine times as long as the element.
  budget.spend(layout.length * 9)
  if (time.ns > MAX_NS || time.ns < -MAX_NS) throw fault('prints a time outside of the calendar')
  return formatTime(time, layout)
}

/** The range of the platform's calendar, less a day for the offsets. */
const MAX_NS = 8_639_900_000_000_000n * NS_PER_MS

function floorDivide(value: bigint, by: bigint): bigint {
  const rest = ((value % by) + by) % by
  return (value - rest) / by
}

/** Days, seconds, milliseconds, microseconds or nanoseconds, distinguished by the number of digits. */
function parseEpoch(text: string): GoTime {
  const unit = NS_BY_DIGITS.get(text.length)
  if (unit === undefined || !/^[-+]?\d+$/.test(text)) throw fault('converts a text that is not an epoch')
  return new GoTime(BigInt(text) * unit)
}
