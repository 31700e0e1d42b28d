// Pictures of every page, wide and narrow, light and dark, in both languages: `npm run screenshots -- FOLDER`.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { COUNTER, addAge, login, showsAge, visit } from './app.mjs'
import { eventually } from './browser.mjs'
import { publisher } from './publisher.mjs'
import { world } from './world.mjs'

const folder = process.argv[2]
if (folder === undefined) throw new Error('name the folder for the pictures: npm run screenshots -- FOLDER')
mkdirSync(folder, { recursive: true })

const server = await world('--registration', 'open')
const publish = await publisher(server)
const { token } = await server.login('root')
for (const name of ['forum', 'nightly digest'])
  await server.api('POST', '/keys', { token, body: { name, scopes: ['publish', 'inbox'] } })

/** What happened to her, oldest first. */
const person = (id, name) => ({ id, name })
const like = (actor) => ({ kind: 'like', group: 'like:991', title: `${actor.name} liked your post`, actor })
const STORY = [
  { kind: 'message', title: 'Welcome to the forum', body: 'Read the rules first.\nThen introduce yourself.' },
  {
    kind: 'reply',
    title: '小明回复了你的主题“怎样保养铜钟”',
    body: '可以用软布蘸少量中性清洁剂擦拭，避免使用酸性的东西。',
    actor: person('9', '小明'),
  },
  {
    kind: 'mention',
    title:
      'Tom mentioned you in “A topic whose title was written on a large screen and not with phones in mind”',
    body: '@mei, do you know where the big one came from?',
    url: 'https://forum.example/t/7#12',
    actor: person('3', 'Tom'),
  },
  ...['Dee', 'Cid', 'Bob', 'Ann'].map((name, index) => like(person(String(10 + index), name))),
]

/** Five minutes of a forum's evening, told at once: each time the tab is seen, it asks. */
async function live(page, shoot) {
  const real = (await server.api('GET', '/statistics', { token })).json
  const asked = 140
  let step = 0
  const buckets = real.store.commits.buckets.map(({ up_to }) => ({ up_to, count: 0 }))
  const totals = { ...real.totals, recipients: 48_210, logins: 312, logins_failed: 4, slow_cut: 2 }
  await page.route('**/api/v1/statistics', (route) => {
    step += 1
    const wave = 1 + Math.sin(step / 9) * 0.4 + Math.sin(step / 2.3) * 0.2
    totals.publishes += Math.round(14 * wave)
    totals.deliveries += Math.round(190 * wave)
    for (const index of [3, 3, 4]) buckets[index].count += Math.round(6 * wave)
    const member = Math.round(2100 + step * 5 + 60 * wave)
    const commits = { count: totals.publishes, seconds: totals.publishes * 0.0031, buckets }
    const json = {
      ...real,
      time: new Date(Date.parse(real.time) + step * 2000).toISOString(),
      sockets: { member, anonymous: 37 },
      members_online: member - 412,
      totals,
      answers: { '1xx': 0, '2xx': 61_342 + step, '3xx': 120, '4xx': 38, '5xx': 3 },
      refusals: { token_expired: 24, login_failed: 4, busy: step > 90 ? 3 : 0 },
      store: { ...real.store, waiting: Math.max(0, Math.round(9 * (wave - 0.9))), commits },
      backup: { made_at: real.started_at, failing: false },
    }
    return route.fulfill({ json })
  })
  await page.goto(`${server.url}/live`)
  await page.waitForSelector('[data-tile]')
  for (let at = 0; at < asked; at += 1) {
    const answered = page.waitForResponse('**/api/v1/statistics')
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
    await answered
  }
  await shoot('live')
  await shoot('live-whole', { fullPage: true })
  await page.unroute('**/api/v1/statistics')
}

for (const locale of ['en', 'zh-CN']) {
  for (const colorScheme of ['light', 'dark']) {
    for (const width of [1280, 390]) {
      test(`${locale} ${colorScheme} ${width}`, async () => {
        // A new account for each, so that every picture shows the same figures.
        await server.user('add', 'mei', '--role', 'admin', '--password-stdin')
        // Another session, to be ended.
        await server.login('mei')
        for (const content of STORY) await publish('@mei', content)
        const viewport = { width, height: width > 600 ? 800 : 844 }
        const one = await visit(server, { locale, colorScheme, viewport, reducedMotion: 'reduce' })
        const page = await one.page()
        const shoot = (name, options) =>
          page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}-${locale}.png`), ...options })
        const open = async (name, path, ready = 'h1') => {
          await page.goto(server.url + path)
          await page.waitForSelector(ready)
          await shoot(name)
        }
        await open('login', '/login')
        await open('register', '/register', 'form')
        await open('setup', `/setup${new URL(await server.setupLink()).hash}`, 'form')
        await open('setup-missing', '/setup', '.notice')
        await open('docs', '/api/docs', '.opblock')

        await page.goto(`${server.url}/login`)
        await login(page, 'mei')
        await page.waitForSelector('li.item')
        await page.click('.item [aria-haspopup=menu] >> nth=0')
        await page.waitForSelector('.menu')
        await shoot('inbox-menu')
        await page.click('.menu [role=menuitem] >> nth=4')
        await page.waitForSelector('.toast')
        await shoot('inbox')
        await page.focus('.item .open')
        await page.keyboard.press('?')
        await page.waitForSelector('[role=dialog]')
        await shoot('inbox-keys')
        await open('inbox-empty', '/inbox?state=archived', '.empty')
        await open('mutes', '/inbox/mutes', 'section')
        await open('keys', '/keys', '.key')
        await page.fill('[name=name]', 'shell')
        await page.click('form button[type=submit]')
        await page.waitForSelector('.fresh')
        await shoot('keys-fresh')
        await page.click('.key button >> nth=0')
        await page.waitForSelector('[role=alertdialog]')
        await shoot('keys-confirm')
        await page.click('[role=alertdialog] .danger')
        await page.waitForSelector('.toast')
        await open('publish', '/publish', 'form')
        await page.fill('[name=to]', '@mei, @nobody')
        await page.fill('[name=title]', 'Bob replied to “bells”')
        await page.fill('[name=url]', 'https://forum.example/t/8')
        await page.click('form button[type=submit]')
        await page.waitForSelector('.receipt')
        await shoot('publish-receipt')

        await live(page, shoot)
        await open('members', '/members', '.account')
        await open('member', '/members?id=@mei', '.trace li')
        await shoot('member-whole', { fullPage: true })
        await page.click('.about button.danger >> nth=1')
        await page.waitForSelector('[role=alertdialog]')
        await shoot('member-confirm')

        await page.goto(server.url + COUNTER)
        await page.waitForSelector('[data-testid=connection][data-state=live]')
        for (const age of [1, 2]) {
          await addAge(page)
          await showsAge(page, age)
        }
        const listed = () => page.locator('[data-testid=heard] li[data-kind=age]').count()
        await eventually(listed, 2, 'both numbers are in the list')
        await page.mouse.move(0, 0)
        await shoot('counter')
        await open('sessions', '/sessions', '.session')
        await page.click('.session button.danger >> nth=0')
        await page.waitForSelector('[role=alertdialog]')
        await shoot('sessions-confirm')
        await open('account', '/account', 'dl')
        await open('missing', '/no/such/page')
        await one.leave()
        await server.user('remove', 'mei')
      })
    }
  }
}
