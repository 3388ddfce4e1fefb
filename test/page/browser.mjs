/**
 * The page in a real browser, against a real gateway: `node test/page/browser.mjs [folder]`. Needs Debian's chromium;
 * without it one line says so. Pictures go to the folder where one is named.
 */

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GatewayProcess } from '../support/gateway-process.ts'
import { findChromium, startChromium } from './chromium.mjs'

const program = findChromium()
if (program === undefined) {
  console.log('skipped: there is no chromium on this machine')
  process.exit()
}
const pictures = process.argv[2]
if (pictures !== undefined) mkdirSync(pictures, { recursive: true })
const folder = mkdtempSync(join(tmpdir(), 'millrace-page-'))
const browser = await startChromium(program)
const gateways = []
try {
  for (const [name, test] of Object.entries(listTests())) {
    await test(await browser.openTab())
    console.log(`ok: ${name}`)
  }
} finally {
  await browser.close()
  for (const gateway of gateways) await gateway.kill()
  rmSync(folder, { recursive: true, force: true })
}

function listTests() {
  return {
    'an empty gateway says so': async (tab) => {
      const { url } = await startGateway('empty')
      await tab.open(url)
      await tab.until(`document.getElementById('empty').innerText.includes('No lines have come yet')`)
      await keep(tab, 'empty')
      assert.deepEqual(tab.faults, [])
    },
    'lines, levels, chart and labels are shown, in light and in dark': async (tab) => {
      const { url, push } = await startGateway('lines')
      await push(someLines(400))
      await tab.send('Emulation.setDeviceMetricsOverride', {
        width: 1280,
        height: 800,
        deviceScaleFactor: 1,
        mobile: false,
      })
      await tab.open(url)
      await tab.until(`document.querySelectorAll('#lines details').length === 100`)
      await tab.until(`document.querySelectorAll('#chart rect.error').length > 0`)
      assert.match(await tab.evaluate('location.hash'), /query=%7Bservice_name%3D%7E%22.%2B%22%7D/)
      await theme(tab, 'light')
      await tab.evaluate(`document.querySelector('#labels details').open = true`)
      await tab.evaluate(`document.querySelectorAll('#lines details')[2].open = true`)
      await tab.until(`document.querySelector('#labels li button') && document.querySelector('.more td')`)
      await keep(tab, 'light')
      await theme(tab, 'dark')
      await keep(tab, 'dark')
      // A value of a label narrows the query down, and the button behind loads what is left.
      await tab.evaluate(`document.querySelector('#labels li button').click()`)
      await tab.until(`document.getElementById('query').value === '{app="mill"}'`)
      await tab.until(`!document.getElementById('older').hidden && !document.body.classList.contains('busy')`)
      await tab.evaluate(`document.getElementById('older').click()`)
      await tab.until(`document.querySelectorAll('#lines details').length === 200`)
      const texts = await tab.evaluate(`[...document.querySelectorAll('#lines .text')].map((each) => each.textContent)`)
      assert.equal(new Set(texts).size, 200, 'no line twice')
      // A bar of the chart is a time range.
      await tab.evaluate(
        `[...document.querySelectorAll('#chart .bucket')].find((each) => each.querySelector('.info')).dispatchEvent(new MouseEvent('click'))`,
      )
      await tab.until(
        `document.getElementById('range').value === 'custom' && !document.body.classList.contains('busy')`,
      )
      assert.deepEqual(tab.faults, [])
    },
    'a line is text, whatever is in it': async (tab) => {
      const { url, push } = await startGateway('markup')
      const line = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
      await push([{ stream: { app: 'shop', x: '"}<b>' }, values: [[now(), line, { trace: '<i>1</i>' }]] }])
      await tab.open(url)
      await tab.until(`document.querySelectorAll('#lines details').length === 1`)
      await tab.evaluate(`document.querySelector('#lines details').open = true`)
      await tab.until(`document.querySelector('.more td')`)
      assert.equal(await tab.evaluate(`document.querySelector('#lines .text').textContent`), line)
      assert.equal(
        await tab.evaluate(`document.querySelectorAll('#lines img, #lines script, #lines b, #lines i').length`),
        0,
      )
      assert.equal(await tab.evaluate('document.title'), 'Millrace')
      // Its value becomes a matcher that finds it again.
      await tab.evaluate(
        `[...document.querySelectorAll('.more button')].find((each) => each.title.startsWith('only x=')).click()`,
      )
      await tab.until(
        `document.querySelectorAll('#lines details').length === 1 && document.getElementById('query').value.includes('x=')`,
      )
      assert.equal(await tab.evaluate(`document.getElementById('fault').hidden`), true)
      assert.deepEqual(tab.faults, [])
    },
    'a query that cannot be read says where, by the keyboard alone': async (tab) => {
      const { url, push } = await startGateway('wrong')
      await push(someLines(10))
      await tab.open(url)
      await tab.until(`document.querySelectorAll('#lines details').length === 10`)
      await tab.press('/', 'Slash')
      await tab.until(`document.activeElement.id === 'query'`)
      await tab.send('Input.insertText', { text: ' |= ' })
      await tab.press('Enter')
      await tab.until(`document.getElementById('fault').innerText.includes('parse error')`)
      assert.equal(await tab.evaluate(`document.querySelectorAll('#lines details').length`), 0)
      await keep(tab, 'error')
      await tab.evaluate('history.back()')
      await tab.until(`document.querySelectorAll('#lines details').length === 10`)
      await tab.evaluate(`document.querySelector('#lines summary').focus()`)
      await tab.press('ArrowDown')
      await tab.press('Enter')
      await tab.until(`document.querySelectorAll('#lines details')[1].open`)
      // The button does what Enter does.
      await tab.evaluate(`document.getElementById('query').value = '{app="mill"}'`)
      await tab.evaluate(`document.getElementById('run').click()`)
      await tab.until(`document.querySelectorAll('#lines details').length === 5`)
      assert.match(await tab.evaluate('location.hash'), /mill/)
    },
    'five thousand lines are quick': async (tab) => {
      const { url, push } = await startGateway('many')
      await push(someLines(5000))
      const query = encodeURIComponent('{app=~".+"}')
      const began = Date.now()
      await tab.open(`${url}/#query=${query}&limit=5000&range=86400`)
      await tab.until(`document.querySelectorAll('#lines details').length === 5000`)
      const wholeMs = Date.now() - began
      const frameMs = await tab.evaluate(`new Promise((resolve) => {
        const began = performance.now()
        scrollTo(0, document.body.scrollHeight / 2)
        document.getElementById('wrap').click()
        requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - began)))
      })`)
      console.log(
        `    5000 lines: ${wholeMs} ms from address to rows, ${Math.round(frameMs)} ms to wrap all and scroll`,
      )
      assert.ok(frameMs < 1000)
      assert.deepEqual(tab.faults, [])
    },
    'numbers are curves and a table': async (tab) => {
      const { url, push } = await startGateway('numbers')
      await push(someLines(300))
      const query = encodeURIComponent('sum by (app) (count_over_time({app=~".+"}[5m]))')
      await tab.open(`${url}/#query=${query}&range=3600`)
      await tab.until(`document.querySelectorAll('#series tbody tr').length === 2`)
      assert.equal(await tab.evaluate(`document.querySelectorAll('#chart path').length`), 2)
      await keep(tab, 'numbers')
      assert.deepEqual(tab.faults, [])
    },
    'live lines come above, none twice, after a restart too': async (tab) => {
      const { url, push, restart } = await startGateway('live')
      await push(someLines(5))
      await tab.open(url)
      await tab.until(`document.querySelectorAll('#lines details').length === 5`)
      await tab.evaluate(`document.getElementById('live').click()`)
      await tab.until(`document.getElementById('status').innerText.includes('5 lines, live')`)
      await push([{ stream: { app: 'shop' }, values: [[now(), 'the first']] }])
      await tab.until(`document.querySelector('#lines .text').textContent === 'the first'`)
      await restart()
      await push([{ stream: { app: 'shop' }, values: [[now(), 'the second']] }])
      await tab.until(`document.querySelector('#lines .text').textContent === 'the second'`)
      assert.equal(await tab.evaluate(`document.querySelectorAll('#lines details').length`), 7)
      await tab.evaluate(`document.getElementById('live').click()`)
      await tab.until(`document.getElementById('live').getAttribute('aria-pressed') === 'false'`)
    },
    'incidents are listed, lead to their lines, and are closed': async (tab) => {
      const { url, push } = await startGateway('incidents')
      const values = [
        [now(), 'ERROR the wheel <b>stands</b>'],
        [now(), 'INFO the wheel turns'],
      ]
      await push([{ stream: { app: 'shop' }, values }])
      const isRaised = async () => (await (await fetch(`${url}/incidents`)).json()).items.length > 0
      for (let i = 0; i < 1000 && !(await isRaised()); i++);
      await tab.send('Emulation.setDeviceMetricsOverride', {
        width: 1280,
        height: 600,
        deviceScaleFactor: 1,
        mobile: false,
      })
      await tab.open(url)
      await tab.until(`document.querySelectorAll('#lines details').length === 2`)
      await tab.evaluate(`document.getElementById('tab-incidents').click()`)
      await tab.until(`document.querySelectorAll('#incident-table tbody tr').length === 1`)
      assert.match(await tab.evaluate('location.hash'), /view=incidents/)
      await tab.evaluate(`document.querySelector('#incident-table details')?.setAttribute('open', '')`)
      await keep(tab, 'incidents')
      await click(tab, '#incident-table', 'Acknowledge')
      await tab.until(`document.querySelector('#incident-table tbody').innerText.includes('acknowledged')`)
      await click(tab, '#incident-table', 'Close')
      await tab.until(`document.querySelector('#incident-table tbody').innerText.includes('closed')`)
      await click(tab, '#incident-table', 'Find lines')
      await tab.until(`document.querySelectorAll('#lines details').length === 1`)
      assert.deepEqual(tab.faults, [])
    },
    'a password is asked for once, by the browser': async (tab) => {
      const { url, push } = await startGateway('password', { MILLRACE_USERS: 'reader:secret' })
      await push(someLines(3), { authorization: `Basic ${btoa('reader:secret')}` })
      await tab.giveCredentials('reader', 'secret')
      await tab.open(url)
      await tab.until(`document.querySelectorAll('#lines details').length === 3`)
      await tab.evaluate(`document.getElementById('live').click()`)
      await tab.until(`document.getElementById('status').innerText.includes('3 lines, live')`)
    },
    'where only tokens are taken the page asks for one': async (tab) => {
      const { url } = await startGateway('token', { MILLRACE_LOCAL_ISSUER: 'true' })
      await tab.open(url)
      await tab.until(`document.getElementById('access').open`)
      assert.match(
        await tab.evaluate(`document.getElementById('labels').innerText`),
        /no credentials; send an Authorization header/,
      )
    },
  }
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
  return { url, push, restart }
}

function now() {
  return `${Date.now()}000000`
}

/** Lines of two streams over the last 50 minutes. */
function someLines(count) {
  const levels = ['info', 'info', 'info', 'debug', 'warn', 'error']
  const value = (i) => {
    const level = levels[(i * 7 + (i % 11)) % levels.length]
    const line =
      i % 5 === 0
        ? `{"level":"${level}","message":"order ${i} was ground","bushels":${i % 9},"took":"${i % 250}ms"}`
        : `level=${level} msg="wheel ${i} turns" path=/api/orders/${i} status=${level === 'error' ? 500 : 200}`
    return [
      `${Date.now() - Math.floor(((count - i) / count) * 3_000_000)}${String(i).padStart(6, '0')}`,
      line,
      { trace_id: `t${i}` },
    ]
  }
  const all = Array.from({ length: count }, (_, i) => value(i))
  return [
    { stream: { app: 'mill', env: 'prod' }, values: all.filter((_, i) => i % 2 === 0) },
    { stream: { app: 'shop', env: 'prod' }, values: all.filter((_, i) => i % 2 === 1) },
  ]
}

/** The button of these words inside `where`. */
function click(tab, where, words) {
  const found = `[...document.querySelectorAll('${where} button')].find((each) => each.textContent === '${words}')`
  return tab.evaluate(`${found}.click()`)
}

async function theme(tab, wanted) {
  for (let i = 0; i < 3; i++) {
    if ((await tab.evaluate('document.documentElement.dataset.theme')) === wanted) return
    await tab.evaluate(`document.getElementById('theme').click()`)
  }
}

async function keep(tab, name) {
  if (pictures !== undefined) writeFileSync(join(pictures, `${name}.png`), await tab.picture())
}
