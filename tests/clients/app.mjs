// Bellrope's own web app, as a visitor uses it.
import assert from 'node:assert/strict'
import { eventually, visitor } from './browser.mjs'
import { PASSWORD } from './world.mjs'

/** Chromium itself says on the console that an answer was a refusal, or that nobody answered. */
export const REFUSED = /^console: Failed to load resource: the server responded with a status of 4\d\d/
export const UNREACHED = /^console: (Failed to load resource: net::|WebSocket connection to .* failed)/

/** The demo's page. A login that was on its way nowhere leads to the inbox. */
export const COUNTER = '/counter'

/** A fresh profile that may go nowhere but to the server. */
export function visit(server, options) {
  return visitor({ origins: [server.url], ...options })
}

export async function login(page, name, password = PASSWORD) {
  await page.fill('[name=username]', name)
  await page.fill('[name=password]', password)
  await page.click('form button[type=submit]')
}

/** A visitor who has logged in by the form and hears the bell. */
export async function member(server, name, { password, path = COUNTER, ...options } = {}) {
  const one = await visit(server, options)
  const page = await one.page(server.url + path)
  await login(page, name, password)
  await page.waitForSelector('nav')
  if (path === COUNTER) await isLive(page)
  return { one, page }
}

export const isLive = (page) => page.waitForSelector('[data-testid=connection][data-state=live]')

export const showsAge = (page, age) =>
  eventually(() => page.textContent('[data-testid=age]'), String(age), 'the age shown')

/** The numbers in the list of what was heard, oldest first. */
export async function heardAges(page) {
  const texts = await page.locator('[data-testid=heard] li[data-kind=age] .text').allTextContents()
  return texts.map(Number).reverse()
}

export const pressAddAge = (page) => page.click('section.age button')

/** Presses ADD AGE and waits for the server's word: the page shows the new number before that. */
export async function addAge(page) {
  const answered = page.waitForResponse('**/api/v1/me/age')
  await pressAddAge(page)
  assert.equal((await answered).status(), 200)
}

export const pathOf = (page) => new URL(page.url()).pathname

/** Waits until the page is the login page, and gives the sentence that says why. */
export async function ledToLogin(page) {
  await page.waitForURL((url) => url.pathname === '/login')
  return page.textContent('.notice')
}
