// A forum with the bell, as its members use it: their tokens, what is published to them, and what a page shows.
import assert from 'node:assert/strict'
import { forum } from './bell-forum.mjs'
import { eventually, visitor } from './browser.mjs'
import { mint } from './jwt.mjs'
import { world } from './world.mjs'

const SECRET = 'a secret between this forum and its bell'

/** A server whose members are a forum's, and an administrator who publishes to them. */
export async function bells(look) {
  const server = await world('--forum-secret', SECRET)
  await server.user('add', 'root', '--role', 'admin', '--password-stdin')
  const { token: admin } = await server.login('root')
  return new Bells(server, admin, await forum(server.url, look))
}

class Bells {
  constructor(server, admin, forum) {
    this.server = server
    this.forum = forum
    this.#admin = admin
  }
  #admin

  /** A token as the forum's backend would mint it into a page. */
  token(id, ttl_s = 3_600) {
    const now_s = Math.floor(Date.now() / 1000)
    return mint({ typ: 'JWT', alg: 'HS256' }, { sub: id, iat: now_s, exp: now_s + ttl_s, name: id }, SECRET)
  }

  async #post(path, body) {
    const answer = await this.server.api('POST', path, { token: this.#admin, body })
    assert.equal(answer.status, 200, answer.text)
    return answer.json
  }

  async publish(to, title, rest = {}) {
    const { results } = await this.#post('/notifications', { to, kind: 'reply', title, ...rest })
    return results[0]
  }

  publishMany(to, titles) {
    return this.#post('/notifications/batch', {
      items: titles.map((title) => ({ to, kind: 'reply', title })),
    })
  }

  signOut(id) {
    return this.#post(`/users/${id}/sign-out`)
  }

  async sockets(id) {
    const { users } = await this.#post('/presence', { users: [id] })
    return users[id].sockets
  }

  showsSockets(id, n) {
    return eventually(() => this.sockets(id), n, `the sockets of ${id}`)
  }

  /** A browser that may go to the forum and the bell and nowhere else. */
  visitor(options) {
    return visitor({ origins: [this.forum.origin, this.server.url], ...options })
  }

  /** Opens a page with the bell in a browser, and waits until it is connected. */
  async page(one, attributes) {
    const page = await one.page(this.forum.page(attributes))
    await isOnline(page)
    return page
  }
}

const state = (page) =>
  page.evaluate(() => document.querySelector('bellrope-bell')?.client?.state.connection ?? 'none')
export const isOnline = (page) => eventually(() => state(page), 'online', 'the connection')
export const isOffline = (page) => eventually(() => state(page), 'offline', 'the connection')
/** No bell, and nothing left behind it. */
export async function isGone(page) {
  await eventually(() => page.locator('bellrope-bell').isHidden(), true, 'there is no bell')
  const left = () => page.evaluate(() => document.querySelector('bellrope-bell').shadowRoot.childElementCount)
  await eventually(left, 0, 'nothing of it is left')
}

const badge = (page) => page.locator('.badge').textContent()
export const showsBadge = (page, text) => eventually(() => badge(page), text, 'the badge')

export async function open(page) {
  await page.click('button.bell')
  await page.waitForSelector('dialog.panel[open]')
}

export const row = (page, title) => page.locator('.row', { hasText: title })
/** The titles in the list, newest first, an asterisk before what is unread. */
export async function titles(page) {
  const read = (rows) =>
    rows.map((one) => {
      const words = one.querySelector('.headline').lastChild.textContent
      return (one.classList.contains('unread') ? '*' : '') + words
    })
  return page.locator('.row').evaluateAll(read)
}
export const shows = (page, wanted) =>
  eventually(async () => JSON.stringify(await titles(page)), JSON.stringify(wanted), 'the list')

/** Chooses from the menu of a notification. */
export async function choose(page, title, choice) {
  await row(page, title).locator('.more').click()
  await page.locator('.menu button', { hasText: choice }).click()
}
export const notice = (page) => page.locator('.notices')
export const showsNotice = (page, pattern) =>
  eventually(async () => pattern.test(await notice(page).textContent()), true, `a notice like ${pattern}`)
