/** Settings of incidents, alert rules and notifications. */

export const ALERT_SETTINGS = {} as const
