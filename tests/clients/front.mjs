// What a browser fetches until a page is of use, and how long that takes: `npm run front`, a minute; a table in Markdown.
// Cold is a fresh profile, warm the same page once more. Slow is cold on Lighthouse's mobile terms: a processor four times
// slower, 150 ms to the server and back, 1.6 Mbit/s. Each time is the median of the rounds (`ROUNDS=5`).
import { test } from 'node:test'
import { COUNTER, login, visit } from './app.mjs'
import { bells } from './bell-page.mjs'

const rounds = Number(process.env.ROUNDS ?? 5)
const SLOW = { slowdown: 4, latency_ms: 150, kbit_s: 1_600 }

const rope = await bells()
const { server } = rope
await server.user('add', 'mei', '--password-stdin')
for (let n = 1; n <= 20; n += 1) await rope.publish(['@mei', 'mei'], `Bob replied to topic ${n}`)

/** Whether a page is of use, and when: a question to it, asked with every frame. */
const pages = {
  'the login page': {
    path: '/login',
    usable: () => document.querySelector('[name=username]:focus') && performance.now(),
  },
  'the counter': {
    path: COUNTER,
    isMember: true,
    usable: () => document.querySelector('[data-testid=connection][data-state=live]') && performance.now(),
  },
  'the inbox, with 20 items': {
    path: '/inbox',
    isMember: true,
    usable: () => document.querySelectorAll('li.item').length >= 20 && performance.now(),
  },
  "the bell on a forum's page": {
    isForum: true,
    usable: () =>
      document.querySelector('bellrope-bell')?.shadowRoot?.querySelector('.badge')?.textContent === '20' &&
      performance.now(),
  },
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]

/** The page is left and not closed: a visitor with no page is one who comes for the first time. */
const leave = (page) => page.goto('about:blank')

/** Loads the page, and says how long it took, how many requests, and how many bytes in bodies. */
async function load(one, { path, isForum, usable }, slow) {
  const page = await one.page()
  const sizes = []
  page.on('requestfinished', (asked) => {
    if (asked.url().startsWith(server.url)) sizes.push(asked.sizes())
  })
  if (slow) {
    const browser = await page.context().newCDPSession(page)
    const bytes_s = (slow.kbit_s * 1000) / 8
    const network = {
      offline: false,
      latency: slow.latency_ms,
      downloadThroughput: bytes_s,
      uploadThroughput: bytes_s,
    }
    await browser.send('Network.enable')
    await browser.send('Network.emulateNetworkConditions', network)
    await browser.send('Emulation.setCPUThrottlingRate', { rate: slow.slowdown })
  }
  await page.goto(isForum ? rope.forum.page({ token: rope.token('mei') }) : server.url + path, {
    waitUntil: 'commit',
  })
  const told = await page.waitForFunction(usable, undefined, { polling: 'raf' })
  const ms = await told.jsonValue()
  const fetched = await Promise.all(sizes)
  await leave(page)
  const bytes = fetched.reduce((sum, { responseBodySize }) => sum + responseBodySize, 0)
  return { ms, requests: fetched.length, bytes }
}

/** A fresh profile; a member's has logged in before, and keeps nothing but that. */
async function fresh(what) {
  const one = await (what.isForum ? rope.visitor() : visit(server))
  if (!what.isMember) return one
  const page = await one.page(`${server.url}/login`)
  await login(page, 'mei')
  await page.waitForSelector('li.item')
  const browser = await page.context().newCDPSession(page)
  await browser.send('Network.clearBrowserCache')
  await leave(page)
  return one
}

async function measured(what) {
  const runs = { cold: [], warm: [], slow: [] }
  for (let round = 0; round < rounds; round += 1) {
    const one = await fresh(what)
    for (const name of ['cold', 'warm']) runs[name].push(await load(one, what))
    await one.leave()
    const other = await fresh(what)
    runs.slow.push(await load(other, what, SLOW))
    await other.leave()
  }
  return runs
}

test('the front', async () => {
  const rows = []
  for (const [title, what] of Object.entries(pages)) {
    const { cold, warm, slow } = await measured(what)
    const ms = (runs) => Math.round(median(runs.map((run) => run.ms))).toLocaleString('en')
    const of = (runs, name) => median(runs.map((run) => run[name]))
    const kb = (runs) => (of(runs, 'bytes') / 1000).toFixed(1)
    rows.push([title, of(cold, 'requests'), kb(cold), ms(cold), ms(warm), ms(slow)])
  }
  const head = ['', 'requests', 'KB', 'cold, ms', 'warm, ms', 'slow, ms']
  const line = (cells) => `| ${cells.join(' | ')} |`
  console.log(
    [line(head), line(head.map((_, at) => (at === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n'),
  )
})
