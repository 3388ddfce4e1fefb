#!/usr/bin/env node
// The package's command: says in words that Node is too old, before any file of a newer syntax is read.
// What Node calls experimental here, SQLite among it, is tested with the versions above; the note would be on every start.
var emitWarning = process.emitWarning
process.emitWarning = function (warning, type) {
  if (type !== 'ExperimentalWarning') emitWarning.apply(process, arguments)
}

var parts = process.versions.node.split('.')
var isOld = Number(parts[0]) < 22 || (Number(parts[0]) === 22 && Number(parts[1]) < 15)
if (isOld) {
  console.error(
    'millrace: this is Node ' +
      process.versions.node +
      ', but Millrace needs Node 22.15 or later, the first with zstd and SQLite; install it from https://nodejs.org/, or use the single file or the image of the release.',
  )
  process.exitCode = 1
} else {
  import('./cli.mjs')
}
