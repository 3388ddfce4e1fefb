/** Settings of alert rules and anomalies. */

export const RULE_SETTINGS = {} as const
