/** The evaluation times of a metric query. */

import { GatewayError } from '../../domain/errors.ts'

/** `count` instants from `start`, `step` apart; nanoseconds. An instant query has one. */
export interface Steps {
  readonly start: bigint
  readonly step: bigint
  readonly count: number
}

export function instantAt(time: bigint): Steps {
  return { start: time, step: 1n, count: 1 }
}

/**
 * The instants of a range query: multiples of `step` since the epoch, from the last one not after `start` to the first
 * one not before `end`. See the splitters of grafana/loki's query frontend. Throws parameter_invalid for a step that is
 * not above zero, for an end before the start and for more than `pointsMax` points.
 */
export function stepsOf(start: bigint, end: bigint, step: bigint, pointsMax: number): Steps {
  if (step <= 0n) {
    throw new GatewayError(
      'parameter_invalid',
      'zero or negative query resolution step widths are not accepted. Try a positive integer',
    )
  }
  if (end < start)
    throw new GatewayError('parameter_invalid', 'end timestamp must not be before or equal to start time')
  if ((end - start) / step > BigInt(pointsMax)) {
    const shown = pointsMax.toLocaleString('en-US')
    throw new GatewayError(
      'query_refused',
      `exceeded maximum resolution of ${shown} points per time series. Try increasing the value of the step parameter`,
    )
  }
  const first = floorTo(start, step)
  const last = -floorTo(-end, step)
  return { start: first, step, count: Number((last - first) / step) + 1 }
}

function floorTo(ns: bigint, step: bigint): bigint {
  const rest = ns % step
  return rest < 0n ? ns - rest - step : ns - rest
}
