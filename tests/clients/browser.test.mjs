// The web app in a real browser: setup, login, the counter, and what its members hear.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  COUNTER,
  REFUSED,
  UNREACHED,
  addAge,
  heardAges,
  isLive,
  ledToLogin,
  login,
  member,
  pathOf,
  pressAddAge,
  showsAge,
  visit,
} from './app.mjs'
import { eventually } from './browser.mjs'
import { PASSWORD, world } from './world.mjs'

const server = await world('--registration', 'open')

test('the setup link makes the first administrator, once', async () => {
  const one = await visit(server)
  const page = await one.page(await server.setupLink())
  await eventually(() => new URL(page.url()).hash, '', 'the token is gone from the address bar')
  await login(page, '管理员')
  await page.waitForURL('**/inbox')
  await page.click('nav >> text=Counter')
  await isLive(page)
  await showsAge(page, 0)
  await page.goto(`${server.url}/account`)
  assert.match(await page.textContent('dl'), /管理员.*Administrator/)
  await one.leave()

  const late = await visit(server)
  const again = await late.page(await server.setupLink())
  await login(again, 'second')
  assert.match(await again.textContent('[role=alert]'), /has been used/)
  await late.leave(REFUSED)
})

test('who registers is in; who mistypes is told, and stays', async () => {
  const one = await visit(server)
  const page = await one.page(`${server.url}/login`)
  await login(page, 'rex')
  assert.match(await page.textContent('[role=alert]'), /name or the password is wrong/)
  await page.click('a[href="/register"]')
  await page.waitForURL('**/register')
  await login(page, 'rex', 'short')
  assert.match(await page.textContent('#password-error'), /at least 8/)
  await login(page, 'rex')
  await isLive(page)
  assert.equal(pathOf(page), '/inbox')
  await one.leave(REFUSED)
})

test('two members in two browsers each hear only their own number, on all their tabs', async () => {
  for (const name of ['ann', 'bob']) await server.user('add', name, '--password-stdin')
  const [ann, bob] = await Promise.all([member(server, 'ann'), member(server, 'bob')])
  const second = await ann.one.page(server.url + COUNTER)
  await isLive(second)

  for (const age of [1, 2, 3]) {
    await addAge(ann.page)
    await showsAge(ann.page, age)
  }
  await showsAge(second, 3)
  await showsAge(bob.page, 0)
  await addAge(bob.page)
  await showsAge(bob.page, 1)
  // Bob's number left after hers, so whatever wrongly went to him would be here by now.
  const heard = async (page, last) => {
    await eventually(async () => (await heardAges(page)).at(-1), last, 'the last number in the list')
    return heardAges(page)
  }
  assert.deepEqual(await heard(bob.page, 1), [1])
  assert.deepEqual(await heard(ann.page, 3), [1, 2, 3])
  assert.deepEqual(await heard(second, 3), [1, 2, 3])
  // Besides each tab's own socket there is the inbox's, one a browser.
  assert.deepEqual(bob.one.heard.toSorted(), [1, 1, 'hello', 'hello'])
  const thrice = (...all) => all.flatMap((one) => [one, one, one])
  assert.deepEqual(ann.one.heard.toSorted(), thrice(1, 2, 3, 'hello'))
  await showsAge(ann.page, 3)
  await Promise.all([ann.one.leave(), bob.one.leave()])
})

test('what a member says to the server is answered in the list', async () => {
  await server.user('add', 'tom', '--password-stdin')
  const { one, page } = await member(server, 'tom')
  await page.fill('[name=message]', '在吗 <b>')
  await page.press('[name=message]', 'Enter')
  await eventually(
    () => page.locator('[data-testid=heard] li[data-kind=text] .text').first().textContent(),
    '你好客户端, 在吗 <b>',
  )
  assert.equal(await page.inputValue('[name=message]'), '')
  await one.leave()
})

test('keyboard alone: log in, reach ADD AGE, press it', async () => {
  await server.user('add', 'kim', '--password-stdin')
  const one = await visit(server)
  const page = await one.page(server.url + COUNTER)
  await page.waitForURL((url) => url.pathname === '/login')
  await page.waitForSelector('[name=username]:focus')
  await page.keyboard.type('kim')
  await page.keyboard.press('Tab')
  await page.keyboard.type(PASSWORD)
  await page.keyboard.press('Enter')
  await isLive(page)
  await showsAge(page, 0)
  const focused = () => page.evaluate(() => document.activeElement?.textContent.trim())
  const passed = []
  // The skip link, the mark, four pages and the retry button are all that may stand before it.
  while (passed.length < 8 && passed.at(-1) !== 'ADD AGE') {
    await page.keyboard.press('Tab')
    passed.push(await focused())
  }
  assert.equal(passed.at(-1), 'ADD AGE', `Tab led to ${passed.join(', ')}`)
  const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle)
  assert.notEqual(ring, 'none', 'the focus is visible')
  await page.keyboard.press('Enter')
  await showsAge(page, 1)
  await page.keyboard.press('Space')
  await showsAge(page, 2)
  await one.leave()
})

for (const how of ['stop', 'kill']) {
  test(`while the server is gone (${how}) the page says so; when it is back, so is the number`, async () => {
    const own = await world()
    const ann = await own.member('ann')
    const { one, page } = await member(own, 'ann')
    await addAge(page)
    await showsAge(page, 1)
    await own[how]()
    await page.waitForSelector('[data-testid=connection][data-state=offline]')
    assert.match(await page.textContent('[data-testid=connection]'), /Offline since \d/)
    // A press meanwhile is taken back, with a reason.
    await pressAddAge(page)
    await page.waitForSelector('.toast.failed')
    await showsAge(page, 1)
    await own.start()
    // Counted before the page is back: nobody pushes it, the page has to ask.
    await own.insert(ann.token)
    await isLive(page)
    await showsAge(page, 2)
    await addAge(page)
    await showsAge(page, 3)
    await one.leave(UNREACHED, REFUSED)
  })
}

test('a login leads back to the page that asked for it', async () => {
  await server.user('add', 'zoe', '--password-stdin')
  const { one, page } = await member(server, 'zoe', { path: '/sessions' })
  assert.equal(pathOf(page), '/sessions')
  // But never to another site.
  const other = await visit(server)
  const lured = await other.page(`${server.url}/login?back=//evil.example/`)
  await login(lured, 'zoe')
  await isLive(lured)
  assert.equal(lured.url(), `${server.url}/inbox`)
  await Promise.all([one.leave(), other.leave()])
})

test('an ended session leads every tab to the login page, with the reason', async () => {
  const other = await server.member('eve')
  const { one, page } = await member(server, 'eve')
  const second = await one.page(`${server.url}/account`)
  await second.waitForSelector('dl')
  const sessions = (await server.api('GET', '/me/sessions', { token: other.token })).json.items
  const its = sessions.find(({ current }) => !current)
  assert.equal((await server.api('DELETE', `/me/sessions/${its.id}`, { token: other.token })).status, 200)
  assert.match(await ledToLogin(page), /session was ended/)
  assert.match(await ledToLogin(second), /ended|logged out/)
  assert.equal(await page.evaluate(() => localStorage.getItem('bellrope.token')), null)
  await one.leave(REFUSED)
})
