// What strangers write, in a real browser: every text is shown as it is and none of it runs; no link leads into a script.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { member } from './app.mjs'
import { bells, isOnline, open, showsBadge } from './bell-page.mjs'
import { eventually } from './browser.mjs'
import { publisher } from './publisher.mjs'
import { world } from './world.mjs'

/** Each would show itself if it were read as anything but text: by an alert, an element, a request, or another text. */
const TEXTS = [
  '<img src=x onerror=alert(1)>',
  '<script>alert(1)</script>',
  '"><svg onload=alert(1)>',
  "' onmouseover='alert(1)",
  '<a href="javascript:alert(1)">press</a>',
  '<iframe srcdoc="<script>parent.alert(1)</script>">',
  '</title><script>alert(1)</script>',
  '{{constructor.constructor("alert(1)")()}}',
  '${alert(1)} %s $& {name} @:app.name | a',
  '&lt;b&gt; &amp; &#x3c;b&#x3e;',
  'invoice\u202Egpj.exe\u2066\u200F',
  'Ẓ̴̛̺̳͎̈́̆a̵l̷g̶o̸',
  'W'.repeat(200),
]
/** Addresses that must become neither a link nor a picture. The server refuses them; these come from one that does not. */
const LINKS = [
  'javascript:alert(1)',
  'JaVaScRiPt:alert(1)',
  ' javascript:alert(1)',
  '\u0001javascript:alert(1)',
  'java\tscript:alert(1)',
  'javascript://forum.example/%0aalert(1)',
  'data:text/html,<script>alert(1)</script>',
  'vbscript:alert(1)',
  'blob:https://forum.example/1',
  'file:///etc/passwd',
]

const server = await world()
const publish = await publisher(server)
const rope = await bells()

/** This text wherever a text may stand. */
const everywhere = (text) => ({
  title: text,
  body: `${text} ${text}`,
  group: text,
  key: text,
  actor: { id: text.slice(0, 40), name: text, avatar: null },
  object: { type: text.slice(0, 40), id: text.slice(0, 40) },
  data: { [text]: text },
})

/** What nothing but our own code may have put into a page or the bell's shadow root. */
const strange = (page) =>
  page.evaluate(() => {
    const roots = [document, document.querySelector('bellrope-bell')?.shadowRoot].filter(Boolean)
    const all = roots.flatMap((root) => [...root.querySelectorAll('*')])
    const isStrange = (one) =>
      ['IFRAME', 'OBJECT', 'EMBED', 'BASE'].includes(one.tagName) ||
      (one.tagName === 'SCRIPT' && !one.src) ||
      (one.tagName === 'IMG' && !/^https?:/.test(one.src)) ||
      [...one.attributes].some(({ name }) => /^on|^srcdoc$/.test(name)) ||
      (one.href !== undefined && !/^https?:/.test(String(one.href.baseVal ?? one.href))) ||
      (one.target === '_blank' && !/noopener/.test(one.rel))
    return all.filter(isStrange).map((one) => one.outerHTML.slice(0, 200))
  })
const isNarrow = (page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)

/** Passes what the server says about the inbox on, with these addresses in the place of its own. */
const tamper = (page) =>
  page.route(/\/api\/v1\/inbox(\?|$)/, async (route) => {
    const response = await route.fetch()
    const body = await response.json()
    const avatar = (actor, url) => actor && { ...actor, avatar: url }
    body.items = body.items?.map((item, at) => ({
      ...item,
      url: LINKS[at],
      actor: avatar(item.actor, LINKS[at]),
      actors: item.actors.map((actor) => avatar(actor, LINKS[at])),
    }))
    await route.fulfill({ response, json: body })
  })

test('the web app shows every text as it is, in the list, the toast, the mutes, and runs none', async () => {
  await server.user('add', 'ann', '--password-stdin')
  const { one, page } = await member(server, 'ann', { path: '/inbox' })
  await page.waitForSelector('[data-testid=connection][data-state=live]')
  const title = await page.title()
  for (const text of TEXTS) await publish('@ann', everywhere(text))
  const shown = () => page.locator('li.item .open').allTextContents()
  await eventually(
    async () => JSON.stringify(await shown()),
    JSON.stringify(TEXTS.toReversed()),
    'the titles',
  )
  const bodies = await page.locator('li.item .body').allTextContents()
  assert.deepEqual(
    bodies,
    TEXTS.toReversed().map((text) => `${text} ${text}`),
  )
  for (const text of TEXTS) {
    const row = page.locator('li.item').nth(TEXTS.toReversed().indexOf(text))
    assert.ok((await row.locator('.meta').textContent()).includes(text), `the name in ${text}`)
    await publish('@ann', { title: text, transient: true })
    await eventually(
      async () => (await page.locator('.toast').allTextContents()).some((toast) => toast.includes(text)),
      true,
      `a toast: ${text}`,
    )
  }
  assert.equal(await page.title(), title)
  assert.deepEqual(await strange(page), [])
  assert.ok(await isNarrow(page))

  const muted = { kinds: ['reply'], groups: TEXTS, actors: TEXTS.map((text) => text.slice(0, 40)) }
  const token = await page.evaluate(() => localStorage.getItem('bellrope.token'))
  const put = await server.api('PUT', '/inbox/preferences', { token, body: { muted } })
  assert.equal(put.status, 200, put.text)
  await page.goto(`${server.url}/inbox/mutes`)
  await page.waitForSelector('section li')
  const named = await page.locator('section li > span').allTextContents()
  for (const text of TEXTS) assert.ok(named.includes(text), text)
  assert.deepEqual(await strange(page), [])
  assert.ok(await isNarrow(page))
  assert.deepEqual(one.alerts, [])
  await one.leave()
})

test('the bell shows every text as it is, in the toast, the list, the menu, on the desktop, and runs none', async () => {
  const one = await rope.visitor()
  const page = await one.page()
  await page.addInitScript(() => {
    window.told = []
    window.Notification = class {
      static permission = 'granted'
      constructor(title, { body }) {
        window.told.push([title, body])
      }
    }
  })
  await page.goto(rope.forum.page({ token: rope.token('ann'), desktop: '', 'title-count': '' }))
  await isOnline(page)
  for (const text of TEXTS) {
    // Two in a group, so that the row says who.
    await rope.publish('ann', 'Tom too', { group: text, actor: { id: 'tom', name: 'Tom' } })
    await rope.publish('ann', text, everywhere(text))
    await eventually(
      async () => (await page.locator('.toast .headline').allTextContents()).at(-1),
      text,
      'a toast',
    )
  }
  await showsBadge(page, String(TEXTS.length))
  assert.equal(await page.title(), `(${TEXTS.length}) A forum`)
  assert.deepEqual(await strange(page), [])
  await open(page)
  const titles = () =>
    page.locator('.row .headline').evaluateAll((all) => all.map((one) => one.lastChild.textContent))
  await eventually(
    async () => JSON.stringify(await titles()),
    JSON.stringify(TEXTS.toReversed()),
    'the titles',
  )
  assert.deepEqual(
    await page.locator('.row .body').allTextContents(),
    TEXTS.toReversed().map((text) => `${text} ${text}`),
  )
  for (const [at, text] of TEXTS.toReversed().entries()) {
    const row = page.locator('.row').nth(at)
    assert.ok((await row.locator('.meta').textContent()).includes(text), `the name in ${text}`)
    await row.locator('.more').click()
    const choices = await page.locator('.menu button').allTextContents()
    assert.ok(
      choices.some((choice) => choice.includes(text)),
      `the menu of ${text}`,
    )
    await page.keyboard.press('Escape')
  }
  assert.deepEqual(await strange(page), [])
  assert.ok(await isNarrow(page))

  await page.evaluate(() => Object.defineProperty(document, 'hidden', { get: () => true }))
  for (const text of TEXTS) await rope.publish('ann', text, { body: text, transient: true })
  const told = () => page.evaluate(() => JSON.stringify(window.told))
  await eventually(told, JSON.stringify(TEXTS.map((text) => [text, text])), 'the desktop')
  assert.deepEqual(one.alerts, [])
  await one.leave()
})

test('an address that is no http or https is no link and no picture, even from a server that lets it pass', async () => {
  await server.user('add', 'bob', '--password-stdin')
  const titles = LINKS.map((_, at) => `Press ${at}`)
  const actor = (at) => ({ id: String(at), name: 'Eve' })
  for (const [at, title] of titles.entries()) {
    await publish('@bob', { title, actor: actor(at) })
    await rope.publish('bob', title, { actor: actor(at) })
  }
  const { one, page } = await member(server, 'bob', { path: '/account' })
  await tamper(page)
  await page.goto(`${server.url}/inbox`)
  await page.waitForSelector('li.item')
  assert.equal(await page.locator('li.item').count(), LINKS.length)
  assert.equal(await page.locator('li.item a').count(), 0)
  for (const title of titles) await page.click(`li.item .open >> text="${title}"`)
  assert.deepEqual(await strange(page), [])
  assert.equal(page.url(), `${server.url}/inbox`)

  const other = await rope.visitor()
  const forum = await other.page()
  await tamper(forum)
  await forum.goto(rope.forum.page({ token: rope.token('bob') }))
  await isOnline(forum)
  const before = forum.url()
  await open(forum)
  await forum.waitForSelector('.row')
  assert.equal(await forum.locator('.row').count(), LINKS.length)
  assert.equal(await forum.locator('.row a, .row img').count(), 0)
  for (const at of titles.keys()) await forum.locator('.row').nth(at).locator('.main').click()
  assert.deepEqual(await strange(forum), [])
  assert.equal(forum.url(), before)
  assert.deepEqual([...one.alerts, ...other.alerts], [])
  await Promise.all([one.leave(), other.leave()])
})

test('a link from outside opens a page that knows nothing of ours', async () => {
  await server.user('add', 'cat', '--password-stdin')
  await publish('@cat', { title: 'Look', url: `${rope.forum.origin}/t/1` })
  const { one, page } = await member(server, 'cat', {
    path: '/inbox',
    origins: [server.url, rope.forum.origin, rope.server.url],
  })
  const link = page.locator('li.item a.open')
  assert.deepEqual((await link.getAttribute('rel')).split(' ').toSorted(), ['noopener', 'noreferrer'])
  const opened = page.context().waitForEvent('page')
  await link.click()
  const other = await opened
  await other.waitForLoadState()
  assert.deepEqual(await other.evaluate(() => [window.opener, document.referrer]), [null, ''])
  await one.leave()
})
