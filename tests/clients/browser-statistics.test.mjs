// The page that shows what the server does now: figures that follow, a server that does not answer, a disk that is full.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { REFUSED, UNREACHED, member } from './app.mjs'
import { eventually } from './browser.mjs'
import { publisher } from './publisher.mjs'
import { world } from './world.mjs'

const server = await world()
await server.user('add', 'boss', '--role', 'admin', '--password-stdin')
const publish = await publisher(server)

const tile = (page, name) => page.locator(`[data-tile=${name}]`)
const figure = (page, name) => tile(page, name).locator('[data-testid=figure]').textContent()
const total = async (page, name) => (await page.textContent(`[data-testid=${name}]`)).trim()

test('figures follow what happens, and refusals stand with their sentence', async () => {
  const { one, page } = await member(server, 'boss', { path: '/live' })
  await page.waitForSelector('[data-tile]')
  // Their own: the bell of the page they look at.
  await eventually(() => figure(page, 'sockets'), '1', 'their own connection')
  const kept = Number(await total(page, 'kept'))
  await publish('@boss', { title: 'Ann replied' })
  await eventually(() => total(page, 'kept'), String(kept + 1), 'what was published')
  const refused = await server.api('POST', '/login', { body: { username: 'boss', password: 'a wrong one' } })
  assert.equal(refused.status, 401)
  const row = page.locator('[data-code=login_failed]')
  await row.waitFor()
  assert.match(await row.textContent(), /The name or the password is wrong.*1 in the last five minutes/)
  const drawn = (name) => tile(page, name).locator('.line').getAttribute('d')
  for (const name of ['sockets', 'publishes', 'memory']) assert.match(await drawn(name), /^M[\d.]+ [\d.]+.*L/)
  assert.match(await tile(page, 'memory').locator('svg').getAttribute('aria-label'), /MB at most/)
  await one.leave()
})

test('a tab that nobody looks at asks nothing, and asks at once when it is seen', async () => {
  const { one, page } = await member(server, 'boss', { path: '/live' })
  await page.waitForSelector('[data-tile]')
  let asked = 0
  page.on('request', (request) => (asked += request.url().endsWith('/statistics') ? 1 : 0))
  const turn = (hidden) =>
    page.evaluate((hidden) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden })
      document.dispatchEvent(new Event('visibilitychange'))
    }, hidden)
  await eventually(() => asked > 0, true, 'it asks')
  // What was under way when it was hidden is answered.
  await turn(true)
  await page.waitForLoadState('networkidle')
  const before = asked
  // Longer than its pause: nothing else tells that it asks no more.
  await page.waitForTimeout(3_000)
  assert.equal(asked, before)
  await turn(false)
  await eventually(() => asked > before, true, 'it asks again')
  await one.leave()
})

test('a server that does not answer is said, and so is that it is back', async () => {
  const { one, page } = await member(server, 'boss', { path: '/live' })
  await page.waitForSelector('[data-tile]')
  await server.stop()
  await page.waitForSelector('.notice >> text=No figures come in')
  assert.ok(await tile(page, 'memory').isVisible(), 'the last figures stay')
  await server.start()
  await page.waitForSelector('.notice >> text=No figures come in', { state: 'detached' })
  // It counts from 0 again.
  await eventually(() => total(page, 'kept'), '0', 'what the new process counts')
  await one.leave(UNREACHED, REFUSED, /^console: .*status of 50\d/)
})

test('a disk that takes no writes is said above all figures', async () => {
  const { one, page } = await member(server, 'boss', { path: '/live' })
  await page.waitForSelector('[data-tile]')
  const unready = { code: 'storage_failed', detail: 'The disk takes no writes.' }
  await page.route('**/api/v1/statistics', async (route) => {
    const answer = await route.fetch()
    return route.fulfill({ response: answer, json: { ...(await answer.json()), unready } })
  })
  await page.waitForSelector('[role=alert] >> text=the disk takes no writes')
  await page.unroute('**/api/v1/statistics')
  await page.waitForSelector('[role=alert]', { state: 'detached' })
  await one.leave()
})
