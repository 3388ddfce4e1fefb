// The container's health: whether a push could be stored now.
const port = process.env.MILLRACE_PORT || '3100'
try {
  const response = await fetch(`http://127.0.0.1:${port}/ready`, { signal: AbortSignal.timeout(2000) })
  process.exitCode = response.ok ? 0 : 1
} catch {
  process.exitCode = 1
}
