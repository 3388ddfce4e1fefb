/**
 * The page in a real browser, against a real gateway: `node test/page/browser.mjs [folder] [words of a test]`. Needs Debian's
 * chromium; without it one line says so. Pictures go to the folder where one is named, and one of `-` keeps none.
 */

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import axe from 'axe-core'
import { chromium } from 'playwright-core'
import { GatewayProcess } from '../support/gateway-process.ts'
import { TESTS } from './scenarios.mjs'

const PROGRAMS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const STEP_MS = 30_000
export const DESK = { width: 1440, height: 900 }
export const PHONE = { width: 390, height: 844 }

const executablePath = PROGRAMS.find((path) => existsSync(path))
if (executablePath === undefined) {
  console.log('skipped: there is no chromium on this machine')
  process.exit()
}
const [, , folderOfPictures = '-', words = ''] = process.argv
const pictures = folderOfPictures === '-' ? undefined : folderOfPictures
if (pictures !== undefined) mkdirSync(pictures, { recursive: true })
const folder = mkdtempSync(join(tmpdir(), 'millrace-page-'))
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
const gateways = []
let passed = 0
let failed = 0
try {
  for (const [name, test] of Object.entries(TESTS)) {
    if (!name.includes(words)) continue
    const began = performance.now()
    const visitor = makeVisitor()
    try {
      await test(visitor)
      passed++
      console.log(`ok: ${name} (${((performance.now() - began) / 1000).toFixed(1)} s)`)
    } catch (error) {
      failed++
      console.log(`FAILED: ${name}`, error, visitor.faults)
      await visitor.keepAll(`failed-${failed}`)
    }
    await visitor.leave()
  }
} finally {
  await browser.close()
  for (const gateway of gateways) await gateway.kill()
  rmSync(folder, { recursive: true, force: true })
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

/** What a scenario does: starts gateways, opens the page, looks at it. */
function makeVisitor() {
  const faults = []
  const pages = []
  const visitor = {
    DESK,
    PHONE,
    readFile: (path) => readFileSync(path, 'utf8'),
    startGateway,
    /** A page of its own browser context; faults of it are collected. */
    async open(url, { size = DESK, theme = 'light', isTouch = false, hash = '', ...context } = {}) {
      const made = await browser.newContext({
        viewport: size,
        colorScheme: theme,
        timezoneId: 'UTC',
        hasTouch: isTouch,
        permissions: ['clipboard-read', 'clipboard-write'],
        ...context,
      })
      const page = await made.newPage()
      pages.push(page)
      page.setDefaultTimeout(STEP_MS)
      page.on('console', (message) => message.type() === 'error' && faults.push(message.text()))
      page.on('pageerror', (error) => faults.push(error.message))
      page.on('request', (request) => {
        const asked = new URL(request.url())
        if (asked.origin !== url && !['data:', 'blob:'].includes(asked.protocol)) faults.push(`asked ${asked.origin}`)
      })
      await page.goto(url + (hash === '' ? '/' : `/${hash}`))
      return page
    },
    /** Nothing was logged as an error, nothing was asked elsewhere. */
    isClean: () => assert.deepEqual(faults, []),
    faults,
    /** WCAG's rules A and AA that a machine can check. */
    async isAccessible(page) {
      // Trusted types are for the page: the checker's own script comes by the protocol.
      await page.evaluate(axe.source)
      const { violations } = await page.evaluate(() =>
        globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] }),
      )
      const found = violations.map(
        ({ id, nodes }) =>
          `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join('; ')}`,
      )
      assert.deepEqual(found, [])
    },
    async keep(page, name) {
      if (pictures === undefined) return
      await page.mouse.move(0, 0)
      await page.screenshot({ path: join(pictures, `${name}.png`), animations: 'disabled' })
    },
    async keepAll(name) {
      for (const [i, page] of pages.entries()) if (!page.isClosed()) await visitor.keep(page, `${name}-${i}`)
    },
    async leave() {
      for (const page of pages) if (!page.isClosed()) await page.context().close()
    },
  }
  return visitor
}

async function startGateway(name, env = {}) {
  const dataDir = join(folder, name)
  let gateway = await GatewayProcess.start({ dataDir, env })
  gateways.push(gateway)
  const { url, port } = gateway
  const push = async (streams, headers = {}) => {
    const response = await fetch(`${url}/loki/api/v1/push`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ streams }),
    })
    assert.ok(response.ok, await response.text())
  }
  const restart = async () => {
    await gateway.stop()
    gateway = await GatewayProcess.start({ dataDir, env, port })
    gateways.push(gateway)
  }
  return { url, push, restart, stop: () => gateway.stop() }
}
