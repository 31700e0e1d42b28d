// The web app in a real browser: how sessions end, in one tab or elsewhere; password, language and appearance.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  COUNTER,
  REFUSED,
  addAge,
  isLive,
  ledToLogin,
  login,
  member,
  pathOf,
  showsAge,
  visit,
} from './app.mjs'
import { eventually } from './browser.mjs'
import { mint } from './jwt.mjs'
import { PASSWORD, claims, world } from './world.mjs'

const server = await world()

const KEY = 'bellrope.token'
const tokenOf = (page) => page.evaluate((key) => localStorage.getItem(key), KEY)

/** Puts a token where the app keeps it, as if it had been there since an earlier visit. */
async function withToken(token, path) {
  const one = await visit(server)
  // A page of the app: what is none is in a sandbox and has no storage.
  const page = await one.page(`${server.url}/no/such/page`)
  await page.evaluate(([key, value]) => localStorage.setItem(key, value), [KEY, token])
  await page.goto(server.url + path)
  return { one, page }
}

test('an expired login leads to the login page with its own sentence, and after it back to where one was', async () => {
  const { token } = await server.member('old')
  const expired = { ...claims(token), exp: Math.floor(Date.now() / 1000) - 60 }
  const { one, page } = await withToken(
    mint({ typ: 'br-session+jwt', alg: 'HS256' }, expired, server.secret),
    '/sessions',
  )
  assert.match(await ledToLogin(page), /session has expired/)
  assert.equal(await tokenOf(page), null)
  await login(page, 'old')
  await page.waitForSelector('.session')
  assert.equal(pathOf(page), '/sessions')
  await one.leave(REFUSED)
})

test('a forged login leads to the login page, and hears nothing', async () => {
  const { token } = await server.member('real')
  const forged = mint(
    { typ: 'br-session+jwt', alg: 'HS256' },
    claims(token),
    'some other secret, long enough to be one',
  )
  const { one, page } = await withToken(forged, COUNTER)
  assert.match(await ledToLogin(page), /no longer valid/)
  assert.deepEqual(one.heard, [])
  await one.leave(REFUSED)
})

test('logging out in one tab logs out the others, and logging in brings them back in', async () => {
  await server.user('add', 'ann', '--password-stdin')
  const { one, page } = await member(server, 'ann')
  const other = await one.page(server.url + COUNTER)
  await isLive(other)
  const token = await tokenOf(page)
  await page.goto(`${server.url}/account`)
  await page.click('text=Log out')
  await page.waitForURL('**/login')
  assert.match(await ledToLogin(other), /logged out|session was ended/)
  assert.equal((await server.api('GET', '/me', { token })).json.code, 'token_revoked')
  await login(page, 'ann')
  await isLive(page)
  await isLive(other)
  assert.equal(pathOf(other), COUNTER)
  await one.leave(REFUSED)
})

test('the sessions page ends another session at once, and only that one', async () => {
  await server.user('add', 'bob', '--password-stdin')
  const [here, there] = [await member(server, 'bob'), await member(server, 'bob')]
  await here.page.click('nav >> text=Sessions')
  await here.page.waitForSelector('.session')
  assert.equal(await here.page.locator('.session').count(), 2)
  assert.equal(await here.page.locator('.session .badge').count(), 1)
  const end = here.page.getByRole('button', { name: /^End session: Chrome on Linux/ })
  // Asked first, and nothing happens to who thinks again.
  await end.click()
  await here.page.getByRole('alertdialog').getByRole('button', { name: 'Cancel' }).click()
  await isLive(there.page)
  await end.click()
  await here.page.getByRole('alertdialog').getByRole('button', { name: 'End' }).click()
  assert.match(await ledToLogin(there.page), /session was ended/)
  await eventually(() => here.page.locator('.session').count(), 1, 'sessions in the list')
  await here.page.reload()
  await here.page.waitForSelector('.session')
  assert.equal(await here.page.locator('.session').count(), 1)
  await here.page.click('nav >> text=Counter')
  await isLive(here.page)
  await addAge(here.page)
  await showsAge(here.page, 1)
  await Promise.all([here.one.leave(), there.one.leave(REFUSED)])
})

test('a new password ends the other sessions and keeps this one', async () => {
  await server.user('add', 'eve', '--password-stdin')
  const [here, there] = [await member(server, 'eve', { path: '/account' }), await member(server, 'eve')]
  const change = async (current, next) => {
    await here.page.fill('[name=current]', current)
    await here.page.fill('[name=new]', next)
    await here.page.click('text="Change password" >> nth=-1')
  }
  await change('not the password', 'a new password')
  await here.page.waitForSelector('#current-error')
  await change(PASSWORD, 'short')
  await here.page.waitForSelector('#new-error')
  await change(PASSWORD, 'a new password')
  await here.page.waitForSelector('.toast >> text=Password changed')
  assert.match(await ledToLogin(there.page), /session was ended/)
  await login(there.page, 'eve')
  await there.page.waitForSelector('[role=alert]')
  await login(there.page, 'eve', 'a new password')
  await isLive(there.page)
  await here.page.reload()
  await here.page.waitForSelector('dl')
  await Promise.all([here.one.leave(REFUSED), there.one.leave(REFUSED)])
})

test('the language is the browser’s until another is chosen, and then that one', async () => {
  await server.user('add', 'mei', '--password-stdin')
  const { one, page } = await member(server, 'mei', { locale: 'zh-CN', path: '/account' })
  await page.waitForSelector('h1 >> text=账号')
  const lang = () => page.getAttribute('html', 'lang')
  assert.equal(await lang(), 'zh-CN')
  await page.click('role=radio[name="English"]')
  await page.waitForSelector('h1 >> text=Account')
  assert.equal(await lang(), 'en')
  await page.reload()
  await page.waitForSelector('h1 >> text=Account')
  await page.click('role=radio[name="简体中文"]')
  await page.click('nav >> text=计数')
  await page.click('text=加一岁')
  await showsAge(page, 1)
  await one.leave()

  const guest = await visit(server)
  const door = await guest.page(`${server.url}/login`)
  await door.waitForSelector('h1 >> text=Log in')
  await door.click('text=简体中文')
  await door.waitForSelector('h1 >> text=登录')
  await login(door, 'mei', 'wrong password')
  assert.match(await door.textContent('[role=alert]'), /用户名或密码不正确/)
  await guest.leave(REFUSED)
})

test('the appearance is the system’s until another is chosen, in all tabs and before the first paint', async () => {
  await server.user('add', 'lin', '--password-stdin')
  const { one, page } = await member(server, 'lin', { path: '/account', colorScheme: 'light' })
  const other = await one.page(server.url + COUNTER)
  const brightness = (tab) =>
    tab.evaluate(() => {
      const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number)
      return r + g + b > 384 ? 'light' : 'dark'
    })
  await eventually(() => brightness(page), 'light')
  await page.emulateMedia({ colorScheme: 'dark' })
  await eventually(() => brightness(page), 'dark')
  await page.click('role=radio[name="Light"]')
  await eventually(() => brightness(page), 'light')
  await page.click('role=radio[name="Dark"]')
  await eventually(() => brightness(other), 'dark')
  await page.emulateMedia({ colorScheme: 'light' })
  await page.reload({ waitUntil: 'commit' })
  await eventually(
    () => page.evaluate(() => document.documentElement?.dataset.theme),
    'dark',
    'the theme, early',
  )
  await eventually(() => brightness(page), 'dark')
  await one.leave()
})
