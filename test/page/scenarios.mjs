/** What people do with the page. Each scenario gets a visitor: see browser.mjs. */

import assert from 'node:assert/strict'

const now = () => `${Date.now()}000000`
const rows = (page) => page.locator('.list .placed > .r')
const logs = (query, more = {}) => `#/logs?${new URLSearchParams({ q: query, ...more })}`

export const TESTS = {
  'first visit: an empty gateway says how, and a sample opens the overview': async (visitor) => {
    const { url } = await visitor.startGateway('empty')
    const page = await visitor.open(url)
    await page.getByRole('heading', { name: 'Send your first line.' }).waitFor()
    assert.match(await page.locator('.example').innerText(), new RegExp(`${url}/logs`))
    await visitor.isAccessible(page)
    await visitor.keep(page, 'welcome')
    await page.getByRole('button', { name: 'Copy' }).click()
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^curl '/)
    await page.getByRole('button', { name: 'Send a sample' }).click()
    await page.locator('.services tbody tr').nth(3).waitFor()
    await page.getByRole('link', { name: 'mail: CRITICAL queue is not readable' }).first().waitFor()
    await visitor.isAccessible(page)
    await visitor.keep(page, 'overview')
    await page.getByRole('button', { name: /^Theme/ }).click()
    await page.getByRole('button', { name: /^Theme/ }).click()
    await visitor.isAccessible(page)
    await visitor.keep(page, 'overview-dark')
    visitor.isClean()
  },
  'a first line by hand opens the page by itself': async (visitor) => {
    const { url, push } = await visitor.startGateway('first')
    const page = await visitor.open(url)
    await page.getByRole('heading', { name: 'Send your first line.' }).waitFor()
    await push([{ stream: { service_name: 'first' }, values: [[now(), 'hello']] }])
    await page.getByRole('rowheader', { name: 'first' }).waitFor()
    visitor.isClean()
  },
  'from the landing to the odd line in three clicks': async (visitor) => {
    const { url, push } = await visitor.startGateway('odd')
    const at = (i) => `${Date.now() - 1_800_000 + i}000000`
    const many = Array.from({ length: 400 }, (_, i) => [at(i), `ERROR order ${i} failed: card declined`])
    await push([
      { stream: { service_name: 'checkout' }, values: [...many, [at(900), 'ERROR no route to provider adyen']] },
    ])
    const page = await visitor.open(url)
    await page.getByRole('link', { name: '401 errors of checkout' }).click()
    await page.getByRole('link', { name: 'Patterns' }).click()
    await page
      .getByRole('button', { name: 'Show the lines of ERROR no route to provider adyen', exact: false })
      .first()
      .click()
    await page.getByText('1 line ·').waitFor()
    assert.match(await rows(page).innerText(), /no route to provider adyen/)
    visitor.isClean()
  },
  'lines: columns, a filter from a field, what is around, a link to a line': async (visitor) => {
    const { url, push } = await visitor.startGateway('lines')
    await push(someLines(400))
    const page = await visitor.open(url, { hash: logs('{app="shop"} |= "status=500"') })
    await rows(page).first().waitFor()
    const filtered = await rows(page).count()
    await rows(page).nth(1).click()
    const detail = page.locator('.det')
    await detail.getByRole('button', { name: 'path as a column' }).click()
    await page.getByRole('columnheader', { name: /^path/ }).waitFor()
    await page.getByRole('button', { name: 'Columns' }).click()
    await page.getByRole('button', { name: 'env', exact: true }).click()
    await page.keyboard.press('Escape')
    assert.match(await rows(page).first().locator('.c').allInnerTexts().then(String), /^\/api\/orders\/\d+,prod$/)
    // What is around it: also lines that the query leaves out.
    await detail
      .locator('.ctx li')
      .nth(filtered + 5)
      .waitFor()
    assert.equal(await detail.locator('.ctx li.own').count(), 1)
    await visitor.isAccessible(page)
    await visitor.keep(page, 'lines')
    await detail.getByRole('button', { name: 'Copy this line' }).click()
    await page.getByRole('button', { name: 'A link to it' }).click()
    const link = await page.evaluate(() => navigator.clipboard.readText())
    const other = await visitor.open(url, { hash: link.slice(link.indexOf('#')) })
    await other.locator('.det').waitFor()
    assert.equal(await other.locator('.r.open time').innerText(), await page.locator('.r.open time').innerText())
    await other.context().close()
    await detail.getByRole('button', { name: /^Only trace_id/ }).click()
    await page.getByText('1 line ·').waitFor()
    assert.equal(await page.locator('.chip').count(), 3)
    await page.getByRole('button', { name: /^Remove trace_id/ }).click()
    await rows(page).nth(5).waitFor()
    visitor.isClean()
  },
  'a link leads to a line that is not among the first, and to all of them': async (visitor) => {
    const { url, push } = await visitor.startGateway('deep')
    await push(someLines(1400))
    const page = await visitor.open(url, { hash: logs('{app="shop"}') })
    await rows(page).first().waitFor()
    const scroll = () => page.locator('.pane').evaluate((pane) => pane.scrollTo(0, 24 * 640))
    await scroll()
    await page.getByText('These are all 700 lines').waitFor()
    await scroll()
    const wanted = page.locator('.placed[data-index="650"] > .r')
    await wanted.click()
    const link = page.url()
    const text = await wanted.locator('.m').innerText()
    const other = await visitor.open(url, { hash: link.slice(link.indexOf('#')) })
    await other.getByText('at the line of the link.').waitFor()
    await other.locator('.det').waitFor()
    assert.equal(await other.locator('.r.open .m').innerText(), text)
    await visitor.isAccessible(other)
    await other.getByRole('button', { name: 'Begin at the first' }).click()
    await other.getByText('wheel 1399 turns').waitFor()
    visitor.isClean()
  },
  'fields have counts; a value is a click': async (visitor) => {
    const { url, push } = await visitor.startGateway('fields')
    await push(someLines(400))
    const page = await visitor.open(url, { hash: logs('{service_name=~".+"}') })
    await page.getByRole('button', { name: 'Only app mill' }).first().click()
    await page.getByText('200 lines ·').waitFor()
    assert.equal(await page.locator('.chip').innerText(), 'app\nis\nmill')
    await page.getByRole('link', { name: 'Breakdown' }).click()
    await page.locator('.parts li').first().waitFor()
    await page.locator('.breakdown select').selectOption('detected_level')
    await page.locator('.parts b', { hasText: 'error' }).waitFor()
    await visitor.isAccessible(page)
    visitor.isClean()
  },
  'the chart is dragged over, its legend filters, the keyboard reads it': async (visitor) => {
    const { url, push } = await visitor.startGateway('chart')
    await push(someLines(400))
    const page = await visitor.open(url, { hash: logs('{app=~".+"}') })
    const chart = page.locator('.plot').last()
    await chart.locator('path.b-error').waitFor()
    await chart.focus()
    await page.keyboard.press('ArrowRight')
    assert.match(await chart.getAttribute('aria-valuetext'), /^\d\d:\d\d – \d\d:\d\d UTC\+0:/)
    await page.getByRole('button', { name: /^error/ }).click()
    await page.locator('.chip', { hasText: 'level' }).waitFor()
    await page.locator('.list:not(.busy) .r.error').first().waitFor()
    assert.equal(await page.locator('.list .r.info').count(), 0)
    const box = await page.locator('.plot').last().boundingBox()
    await page.mouse.move(box.x + 400, box.y + 30)
    await page.mouse.down()
    await page.mouse.move(box.x + 700, box.y + 30, { steps: 4 })
    await page.mouse.up()
    await page.waitForURL(/from=20.*to=20/)
    await page.goBack()
    await page.waitForURL((address) => !address.hash.includes('to='))
    visitor.isClean()
  },
  'a query is completed, in chips and as LogQL; a wrong one says where': async (visitor) => {
    const { url, push } = await visitor.startGateway('query')
    await push(someLines(60))
    const page = await visitor.open(url, { hash: logs('{service_name=~".+"}') })
    await page.getByRole('button', { name: /^app/ }).waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('ap')
    await page.getByRole('option', { name: 'app=' }).waitFor()
    await page.keyboard.press('Tab')
    await page.getByRole('option', { name: 'app=shop' }).waitFor()
    await page.keyboard.type('sh')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    await page.getByText('30 lines ·').waitFor()
    await page.keyboard.type('pat')
    await page.getByRole('option', { name: 'path=' }).waitFor()
    await page.keyboard.press('Tab')
    await page.getByRole('option', { name: 'path=/api/orders/17' }).waitFor()
    await page.keyboard.type('/api/orders/17')
    await page.keyboard.press('Enter')
    await page.getByText('1 line ·').waitFor()
    await page.getByRole('button', { name: 'Remove path is /api/orders/17' }).click()
    await page.getByText('30 lines ·').waitFor()
    await page.locator('#search').focus()
    await page.keyboard.type('wheel 17 turns')
    await page.keyboard.press('Enter')
    await page.getByText('1 line ·').waitFor()
    assert.equal(await page.locator('mark').first().innerText(), 'wheel 17 turns')
    await page.getByRole('button', { name: 'LogQL' }).click()
    const editor = page.getByRole('textbox', { name: 'LogQL' })
    await editor.waitFor()
    await page.locator('.cm-editor').waitFor()
    await editor.focus()
    await page.keyboard.press('Control+a')
    await page.keyboard.type('{ap')
    await page.locator('.cm-tooltip-autocomplete li', { hasText: 'app' }).waitFor()
    await visitor.keep(page, 'editor')
    await page.keyboard.press('Control+a')
    await page.keyboard.type('{app="mill"} | = 3')
    await page.keyboard.press('Escape')
    await page.keyboard.press('Control+Enter')
    await page.locator('.fault', { hasText: 'parse error at line 1' }).first().waitFor()
    await page.locator('.wrong mark').waitFor()
    assert.equal(await page.locator('.fault').count(), 1, 'it is said once')
    await visitor.keep(page, 'wrong')
    await page.getByRole('button', { name: 'Search for the text 3' }).click()
    await page.getByText('No lines between').or(rows(page).first()).waitFor()
    assert.equal(visitor.faults.filter((text) => !/400 \(Bad Request\)/.test(text)).length, 0)
  },
  'a line is text, whatever is in it': async (visitor) => {
    const { url, push } = await visitor.startGateway('markup')
    const line = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
    await push([{ stream: { app: 'shop', x: '"}<b>' }, values: [[now(), line, { trace: '<i>1</i>' }]] }])
    const page = await visitor.open(url, { hash: logs('{app="shop"}') })
    await rows(page).click()
    await page.locator('.det .whole', { hasText: '<script>' }).waitFor()
    assert.equal(await page.locator('.list :is(img, script, b:not(.fold))').count(), 0)
    await page
      .getByRole('button', { name: /^Only x / })
      .last()
      .click()
    await page.locator('.chip').nth(1).waitFor()
    await page.getByText('1 line ·').waitFor()
    assert.match(await page.title(), /Millrace$/)
    visitor.isClean()
  },
  'live lines come above, none twice, wait while somebody reads, after a restart too': async (visitor) => {
    const { url, push, restart } = await visitor.startGateway('live')
    await push(someLines(5))
    const page = await visitor.open(url, { hash: logs('{app=~".+"}') })
    await rows(page).nth(4).waitFor()
    await page.keyboard.press('l')
    await page.waitForURL(/live=1/)
    await rows(page).nth(4).waitFor()
    const send = (text) => push([{ stream: { app: 'shop' }, values: [[now(), text]] }])
    await send('the first')
    await rows(page).first().getByText('the first').waitFor()
    await page.getByRole('button', { name: 'Pause' }).click()
    await send('while paused')
    await page.getByText('1 wait').waitFor()
    assert.match(await rows(page).first().innerText(), /the first/)
    await visitor.isAccessible(page)
    await visitor.keep(page, 'live')
    await page.getByRole('button', { name: 'Go on' }).click()
    await rows(page).first().getByText('while paused').waitFor()
    await restart()
    await send('after a restart')
    await rows(page).first().getByText('after a restart').waitFor()
    await rows(page).nth(1).click()
    await send('while reading')
    await page.getByRole('button', { name: '1 new line' }).click()
    await rows(page).first().getByText('while reading').waitFor()
    assert.equal(await rows(page).count(), 9)
  },
  'an incident is acknowledged on a phone, and leads to the lines around it': async (visitor) => {
    const { url, push } = await visitor.startGateway('phone')
    const values = [
      [now(), 'ERROR the wheel <b>stands</b>'],
      [now(), 'INFO the wheel turns'],
    ]
    await push([{ stream: { app: 'shop' }, values }])
    const list = async () => (await (await fetch(`${url}/incidents`)).json()).items
    for (let i = 0; i < 5000 && (await list()).length === 0; i++);
    const [{ id }] = await list()
    // The link of a notification.
    const page = await visitor.open(url, { size: visitor.PHONE, isTouch: true, hash: `incidents/${id}` })
    await page.waitForURL(new RegExp(`#/incidents/${id}`))
    await page.getByRole('heading', { level: 1 }).waitFor()
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, 'nothing is cut')
    await visitor.isAccessible(page)
    await visitor.keep(page, 'incident-phone')
    await page.getByRole('button', { name: 'Acknowledge' }).tap()
    await page.locator('.badge', { hasText: 'acknowledged' }).waitFor()
    await page.getByRole('link', { name: 'Incidents', exact: true }).first().tap()
    await page.locator('.incidents tbody tr', { hasText: 'acknowledged' }).waitFor()
    await visitor.isAccessible(page)
    await visitor.keep(page, 'incidents-phone')
    await page.locator('.what a').tap()
    await page.getByRole('link', { name: 'Lines around it' }).tap()
    await rows(page).nth(1).waitFor()
    assert.equal(await rows(page).count(), 2, 'all levels')
    await visitor.isAccessible(page)
    await visitor.keep(page, 'lines-phone')
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, 'nothing is cut')
    visitor.isClean()
  },
  'an incident closes unless it is undone': async (visitor) => {
    const { url, push } = await visitor.startGateway('close')
    await push([{ stream: { app: 'shop' }, values: [[now(), 'ERROR it stands']] }])
    const page = await visitor.open(url, { hash: '#/incidents', theme: 'dark' })
    const link = page.locator('.what a')
    for (let i = 0; i < 200 && (await link.count()) === 0; i++) await page.reload({ waitUntil: 'networkidle' })
    await link.click()
    await page.getByRole('button', { name: 'Close' }).click()
    await page.getByRole('button', { name: 'Undo' }).click()
    await page.locator('.badge', { hasText: 'open' }).waitFor()
    await page.getByRole('button', { name: 'Close' }).click()
    await page.locator('.badge', { hasText: 'closed' }).waitFor()
    await visitor.isAccessible(page)
    visitor.isClean()
  },
  'lines are downloaded as NDJSON and CSV': async (visitor) => {
    const { url, push } = await visitor.startGateway('download')
    await push(someLines(6000))
    const page = await visitor.open(url, { hash: logs('{app=~".+"}') })
    await rows(page).first().waitFor()
    for (const [words, check] of [
      [
        'Download as NDJSON',
        (text) =>
          new Set(
            text
              .trim()
              .split('\n')
              .map((line) => JSON.parse(line).ns),
          ).size,
      ],
      ['Download as CSV', (text) => text.trim().split('\r\n').length - 1],
    ]) {
      const coming = page.waitForEvent('download')
      await page
        .getByRole('button', { name: /^Download/ })
        .first()
        .click()
      await page.getByRole('button', { name: words }).click()
      const text = visitor.readFile(await (await coming).path())
      assert.equal(check(text), 6000)
    }
    await page.getByText('6,000 lines were saved.').waitFor()
    await visitor.keep(page, 'download')
    visitor.isClean()
  },
  'a hundred thousand rows scroll': async (visitor) => {
    const { url, push } = await visitor.startGateway('many')
    for (let i = 0; i < 10; i++) await push(someLines(10_500, i))
    const page = await visitor.open(url, { hash: logs('{app=~".+"}', { from: 'now-24h' }) })
    await rows(page).first().waitFor()
    const count = page.locator('[role=treegrid]')
    let known = 0
    for (let i = 0; i < 200 && known < 100_001; i++) {
      await page.evaluate(() => document.querySelector('.pane').scrollTo(0, 1e9))
      await page.waitForFunction(
        (before) =>
          Number(document.querySelector('[role=treegrid]').ariaRowCount) > before ||
          document.querySelector('.pane .quiet')?.textContent.startsWith('100,000'),
        known,
      )
      known = Number(await count.getAttribute('aria-rowcount'))
    }
    assert.equal(known, 100_001)
    assert.ok((await rows(page).count()) <= 80)
    await page.getByText('100,000 lines are shown. Narrow the time, or download.').waitFor()
    const frames = await page.evaluate(async () => {
      const pane = document.querySelector('.pane')
      const spent = []
      for (let i = 0; i < 40; i++) {
        const began = performance.now()
        pane.scrollTo(0, (pane.scrollHeight * ((i * 7919) % 997)) / 997)
        await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))
        spent.push(performance.now() - began)
      }
      return spent.sort((a, b) => a - b)
    })
    console.log(`    a jump in 100,000 rows: median ${frames[20].toFixed(0)} ms, worst ${frames[39].toFixed(0)} ms`)
    await rows(page).first().waitFor()
    visitor.isClean()
  },
  'numbers are curves and a table that sorts': async (visitor) => {
    const { url, push } = await visitor.startGateway('numbers')
    await push(someLines(300))
    const query = 'sum by (app) (count_over_time({app=~".+"}[5m]))'
    const page = await visitor.open(url, { hash: logs(query) })
    await page.locator('.series canvas').waitFor()
    assert.equal(await page.locator('.series tbody tr').count(), 2)
    await page.getByRole('button', { name: 'series' }).click()
    assert.match(await page.locator('.series tbody th').first().innerText(), /mill/)
    await page.getByRole('group', { name: '2 curves' }).focus()
    await page.keyboard.press('End')
    assert.match(await page.locator('.series .readout').innerText(), /^\d\d:\d\d:\d\d UTC\+0$/)
    assert.match(await page.locator('.series tbody td').first().innerText(), /^\d+$/)
    const coming = page.waitForEvent('download')
    await page.getByRole('button', { name: /^Download/ }).click()
    await page.getByRole('button', { name: 'Download as CSV' }).click()
    assert.match(visitor.readFile(await (await coming).path()), /^timestamp,"\{app=""\w+""\}",/)
    await visitor.isAccessible(page)
    await visitor.keep(page, 'numbers')
    visitor.isClean()
  },
  'status and sources are shown': async (visitor) => {
    const { url, push } = await visitor.startGateway('status')
    await push(someLines(50))
    await fetch(`${url}/loki/api/v1/push`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        streams: [
          { stream: { app: 'x' }, values: [[String(Math.floor(Date.now() / 1000)), 'its time is in seconds']] },
        ],
      }),
    })
    const page = await visitor.open(url, { hash: '#/status' })
    await page.getByText('50 lines, ').first().waitFor()
    await page.getByRole('rowheader', { name: 'invalid_timestamp' }).waitFor()
    await visitor.isAccessible(page)
    await visitor.keep(page, 'status')
    await page.getByRole('link', { name: 'Sources' }).click()
    await page.getByText('Nothing is polled.').waitFor()
    await visitor.isAccessible(page)
    visitor.isClean()
  },
  'a gateway that is gone is said, and comes back': async (visitor) => {
    const { url, push, stop, restart } = await visitor.startGateway('gone')
    await push(someLines(5))
    const page = await visitor.open(url)
    await page.locator('.services tbody tr').first().waitFor()
    await stop()
    await page.getByRole('button', { name: 'Ask again' }).click()
    await page.getByText('The gateway cannot be reached. Trying again').waitFor()
    await restart()
    await page.getByText('The gateway cannot be reached. Trying again').waitFor({ state: 'detached' })
  },
  'addresses of the page before this one lead to the same lines': async (visitor) => {
    const { url, push } = await visitor.startGateway('old')
    await push(someLines(20))
    const page = await visitor.open(url, { hash: `#query=${encodeURIComponent('{app="mill"}')}&range=86400&limit=100` })
    await page.getByText('10 lines ·').waitFor()
    assert.match(page.url(), /#\/logs\?q=.*from=now-86400s/)
    visitor.isClean()
  },
  'a password is asked for once, by the browser': async (visitor) => {
    const { url, push } = await visitor.startGateway('password', { MILLRACE_USERS: 'reader:secret' })
    await push(someLines(3), { authorization: `Basic ${btoa('reader:secret')}` })
    const page = await visitor.open(url, {
      hash: logs('{app=~".+"}'),
      httpCredentials: { username: 'reader', password: 'secret' },
    })
    await rows(page).nth(2).waitFor()
    await page.getByRole('button', { name: 'Live' }).click()
    await page.getByText('lines a second').waitFor()
    await rows(page).nth(2).waitFor()
  },
  'where only tokens are taken the page asks for one': async (visitor) => {
    const { url } = await visitor.startGateway('token', { MILLRACE_LOCAL_ISSUER: 'true' })
    const page = await visitor.open(url)
    const dialog = page.getByRole('dialog', { name: 'Access' })
    await dialog.getByText('The gateway wants credentials.').waitFor()
    await visitor.isAccessible(page)
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
  },
}

/** Lines of two streams over the last 50 minutes; `turn` makes them others. */
function someLines(count, turn = 0) {
  const levels = ['info', 'info', 'info', 'debug', 'warn', 'error']
  const value = (i) => {
    const level = levels[(i * 7 + (i % 11)) % levels.length]
    const line =
      i % 5 === 0
        ? `{"level":"${level}","message":"order ${i} was ground","bushels":${i % 9},"took":"${i % 250}ms"}`
        : `level=${level} msg="wheel ${i} turns" path=/api/orders/${i} status=${level === 'error' ? 500 : 200}`
    const ms = Date.now() - Math.floor(((count - i) / count) * 3_000_000)
    return [`${ms}${String((i * 10 + turn) % 1_000_000).padStart(6, '0')}`, line, { trace_id: `t${i}-${turn}` }]
  }
  const all = Array.from({ length: count }, (_, i) => value(i))
  return [
    { stream: { app: 'mill', env: 'prod' }, values: all.filter((_, i) => i % 2 === 0) },
    { stream: { app: 'shop', env: 'prod' }, values: all.filter((_, i) => i % 2 === 1) },
  ]
}
