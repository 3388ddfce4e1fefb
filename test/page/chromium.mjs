/** A browser without a window, driven by its DevTools protocol: https://chromedevtools.github.io/devtools-protocol/ */

import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const PROGRAMS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** The program, or undefined where there is none. */
export const findChromium = () => PROGRAMS.find((path) => existsSync(path))

/** Starts a browser. `openTab()` gives a Tab; `close()` ends it and removes its profile. */
export async function startChromium(program) {
  const profile = mkdtempSync(join(tmpdir(), 'millrace-chromium-'))
  const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--remote-debugging-port=0', '--lang=en-GB']
  const child = spawn(program, [...flags, `--user-data-dir=${profile}`, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const connection = await Connection.open(await addressOf(child))
  return {
    openTab: async () => {
      const { targetId } = await connection.send('Target.createTarget', { url: 'about:blank' })
      const { sessionId } = await connection.send('Target.attachToTarget', { targetId, flatten: true })
      return Tab.open(connection, sessionId)
    },
    close: async () => {
      child.kill()
      await exited
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

async function addressOf(child) {
  for await (const line of createInterface(child.stderr)) {
    const address = /^DevTools listening on (ws:\S+)/.exec(line)?.[1]
    if (address !== undefined) return address
  }
  throw new Error('chromium did not start')
}

class Connection {
  #socket
  #waiting = new Map()
  #listeners = []
  #id = 0

  static async open(address) {
    const connection = new Connection()
    connection.#socket = new WebSocket(address)
    await new Promise((resolve, reject) => {
      connection.#socket.addEventListener('open', resolve)
      connection.#socket.addEventListener('error', reject)
    })
    connection.#socket.addEventListener('message', ({ data }) => connection.#take(JSON.parse(data)))
    return connection
  }

  send(method, params = {}, sessionId = undefined) {
    const id = ++this.#id
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }))
    return new Promise((resolve, reject) => this.#waiting.set(id, { method, resolve, reject }))
  }

  listen(listener) {
    this.#listeners.push(listener)
  }

  #take({ id, result, error, method, params, sessionId }) {
    if (id === undefined) {
      for (const listener of this.#listeners) listener({ method, params, sessionId })
      return
    }
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error === undefined) waiting.resolve(result)
    else waiting.reject(new Error(`${waiting.method}: ${error.message}`))
  }
}

const WAIT_MS_MAX = 15_000

class Tab {
  /** Errors of scripts and of the policy. */
  faults = []
  #connection
  #sessionId
  #credentials

  static async open(connection, sessionId) {
    const tab = new Tab()
    tab.#connection = connection
    tab.#sessionId = sessionId
    connection.listen((event) => {
      if (event.sessionId === sessionId) tab.#take(event)
    })
    for (const domain of ['Page', 'Runtime', 'Log']) await tab.send(`${domain}.enable`)
    return tab
  }

  send(method, params) {
    return this.#connection.send(method, params, this.#sessionId)
  }

  /** Answers the browser's own question for a name and a password from now on. */
  async giveCredentials(username, password) {
    this.#credentials = { response: 'ProvideCredentials', username, password }
    await this.send('Fetch.enable', { handleAuthRequests: true })
  }

  async open(url) {
    await this.send('Page.navigate', { url })
  }

  /** The value of an expression, which may be a promise. */
  async evaluate(expression) {
    const asked = { expression, awaitPromise: true, returnByValue: true }
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', asked)
    if (exceptionDetails !== undefined)
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
    return result.value
  }

  /** Resolves once the expression is true; rejects with the page's text after a while. */
  async until(expression) {
    for (const endMs = Date.now() + WAIT_MS_MAX; Date.now() < endMs; ) {
      // While a page loads there is nothing to ask.
      if (await this.evaluate(`Boolean(${expression})`).catch(() => false)) return
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
    throw new Error(`never came: ${expression}\n${await this.evaluate('document.body.innerText.slice(0, 2000)')}`)
  }

  async press(key, code = key) {
    const text = key === 'Enter' ? '\r' : key.length === 1 ? key : undefined
    await this.send('Input.dispatchKeyEvent', { type: 'keyDown', key, code, text, windowsVirtualKeyCode: KEYS[key] })
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', key, code })
  }

  /** PNG. */
  async picture() {
    const { data } = await this.send('Page.captureScreenshot', { format: 'png' })
    return Buffer.from(data, 'base64')
  }

  #take({ method, params }) {
    if (method === 'Runtime.exceptionThrown') this.faults.push(params.exceptionDetails.exception?.description)
    if (method === 'Log.entryAdded' && params.entry.level === 'error') this.faults.push(params.entry.text)
    if (method === 'Fetch.requestPaused') this.#go('Fetch.continueRequest', params)
    if (method === 'Fetch.authRequired') {
      this.#go('Fetch.continueWithAuth', { ...params, authChallengeResponse: this.#credentials })
    }
  }

  #go(method, { requestId, authChallengeResponse }) {
    // A request that was given up meanwhile cannot go on.
    this.send(method, { requestId, ...(authChallengeResponse && { authChallengeResponse }) }).catch(() => undefined)
  }
}

const KEYS = { Enter: 13, ArrowDown: 40, ArrowUp: 38, '/': 191 }
