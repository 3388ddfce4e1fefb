/** The stage's settings of incidents, for every function that counts lines. */

import type { Base, Statement } from './functions.ts'

export function incidentEnvironment({ settings, storage }: Base): Record<string, $util.Input<string>> {
  const { rowTable } = storage
  return {
    MILLRACE_INCIDENT_LEVEL: settings.incidentLevel,
    ...(rowTable !== undefined && { MILLRACE_INCIDENT_AUDIT: 'true', MILLRACE_INCIDENT_TABLE: rowTable.name }),
  }
}

/** The permission to write rows, if the stage keeps them. */
export function rowStatements({ storage }: Base): Statement[] {
  const { rowTable } = storage
  return rowTable === undefined ? [] : [{ actions: ['dynamodb:BatchWriteItem'], resources: [rowTable.arn] }]
}
