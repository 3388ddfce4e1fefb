// Audits the lock file without a network: every package has a hash, comes from a registry, and has no install script
// that package.json does not decide on. Exits 1 with a line for each fault.
import { readFileSync } from 'node:fs'

const { dependencies, devDependencies, optionalDependencies, allowScripts } = JSON.parse(
  readFileSync('package.json', 'utf8'),
)
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'))
const faults = []

for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })) {
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) faults.push(`${name}: "${version}" is no exact version`)
  if (packages[`node_modules/${name}`]?.version !== version) faults.push(`${name}: the lock file has another version`)
}

for (const [path, entry] of Object.entries(packages)) {
  if (path === '' || entry.link === true || entry.inBundle === true) continue
  const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
  if (!/^sha512-/.test(entry.integrity ?? '')) faults.push(`${path}: no sha512 hash`)
  if (/^(git|file|http:)/.test(entry.resolved ?? '')) faults.push(`${path}: does not come from a registry`)
  if (entry.hasInstallScript === true && allowScripts?.[name] === undefined) {
    faults.push(`${path}: has an install script; settle it under allowScripts in package.json`)
  }
}

for (const fault of faults) console.error(fault)
console.log(`${Object.keys(packages).length - 1} locked packages, ${faults.length} faults`)
process.exit(faults.length === 0 ? 0 : 1)
