// A headless Chromium, and visitors to it: one context each, as separate as two people's browsers.
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { chromium } from 'playwright-core'

/** Longer than any page takes on a busy machine; only a failing test waits so long. */
const wait_ms_max = 15_000

/** What a browser says of a socket that was given up while it was still being opened. */
const GIVEN_UP =
  /^WebSocket connection to .* failed: WebSocket is closed before the connection is established/

const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ARGS,
})
after(() => browser.close())

/** Opens a fresh profile. What goes wrong in it is kept, and [`Visitor.leave`] fails on what nobody expected. */
export async function visitor({ origins, ...options } = {}) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    ...options,
  })
  context.setDefaultTimeout(wait_ms_max)
  return new Visitor(context, origins)
}

class Visitor {
  /** Whatever a browser complains about: the policy, the console, a script, a request to elsewhere. */
  faults = []
  /** The text of each alert, oldest first. All are accepted. */
  alerts = []
  /** What each WebSocket received, oldest first. */
  frames = []
  #context
  #origins

  constructor(context, origins) {
    this.#context = context
    this.#origins = origins
    context.on('page', (page) => this.#watch(page))
    context.on('request', (request) => this.#went(request.url()))
  }

  async page(url) {
    // Told before any script of the page runs, by an event that the console does not repeat in full.
    if (this.#context.pages().length === 0) {
      await this.#context.exposeBinding('violated', (_, what) => this.faults.push(`policy: ${what}`))
      await this.#context.addInitScript(() =>
        addEventListener('securitypolicyviolation', (event) =>
          window.violated(
            `${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`,
          ),
        ),
      )
    }
    const page = await this.#context.newPage()
    if (url) await page.goto(url)
    return page
  }

  #watch(page) {
    page.on('console', (line) => {
      // A page may give up a socket that it is still opening: it hands over to another tab, is told to go, or is closed.
      if (['error', 'warning'].includes(line.type()) && !GIVEN_UP.test(line.text()))
        this.faults.push(`console: ${line.text()} (${line.location().url})`)
    })
    page.on('pageerror', (error) => this.faults.push(`script: ${error.stack ?? error}`))
    page.on('dialog', (dialog) => {
      this.alerts.push(dialog.message())
      return dialog.accept()
    })
    page.on('websocket', (socket) => {
      this.#went(socket.url().replace(/^ws/, 'http'))
      socket.on('framereceived', ({ payload }) => this.frames.push(String(payload)))
    })
  }

  #went(url) {
    const { origin, protocol } = new URL(url)
    if (this.#origins && protocol !== 'data:' && !this.#origins.includes(origin))
      this.faults.push(`request to elsewhere: ${url}`)
  }

  /** What the sockets of all pages were told by `message`. */
  get heard() {
    return this.frames
      .filter((frame) => frame.startsWith('42["message"'))
      .map((frame) => JSON.parse(frame.slice(2))[1])
  }

  /** Closes the profile. Faults that match one of `expected` are part of the story. */
  async leave(...expected) {
    await this.#context.close()
    const unexpected = this.faults.filter((fault) => !expected.some((pattern) => pattern.test(fault)))
    assert.deepEqual(unexpected, [])
  }
}

/** Waits until `read()` gives what is wanted; the last it gave is in the failure. */
export async function eventually(read, wanted, what) {
  const until_ms = Date.now() + wait_ms_max
  let last
  do {
    last = await read()
    if (last === wanted) return
    // Asked again and again, because what it waits for happens in another process.
    await new Promise((resolve) => setTimeout(resolve, 20))
  } while (Date.now() < until_ms)
  assert.equal(last, wanted, what)
}
