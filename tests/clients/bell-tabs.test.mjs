// The bell in many tabs: one socket for each member and browser, one state, one logout.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bells, isGone, isOnline, open, row, shows, showsBadge } from './bell-page.mjs'
import { eventually } from './browser.mjs'

const rope = await bells()

const leads = (page) => page.evaluate(() => document.querySelector('bellrope-bell').client.state.leading)
async function leaderFirst(pages) {
  const leading = await Promise.all(pages.map(leads))
  assert.deepEqual(leading.toSorted(), [false, false, true], 'one tab leads')
  return pages.toSorted((a, b) => leading[pages.indexOf(b)] - leading[pages.indexOf(a)])
}

test('three tabs, one socket; what is read in one is read in all; a tab that closes hands on', async () => {
  const one = await rope.visitor()
  const attributes = { token: rope.token('ann'), toasts: 'off' }
  const pages = []
  for (let n = 0; n < 3; n++) pages.push(await rope.page(one, attributes))
  await rope.showsSockets('ann', 1)
  await rope.publish('ann', 'One')
  for (const page of pages) await showsBadge(page, '1')
  for (const page of pages) await open(page)
  for (const page of pages) await shows(page, ['*One'])
  await row(pages[2], 'One').locator('.main').click()
  for (const page of pages) await shows(page, ['One'])

  const [leader, ...others] = await leaderFirst(pages)
  // Published around the moment in which nobody leads.
  const publishing = (async () => {
    for (let n = 0; n < 20; n++) await rope.publish('ann', `Around ${n}`)
  })()
  await leader.close()
  await publishing
  const wanted = Array.from({ length: 20 }, (_, n) => `*Around ${19 - n}`)
  for (const page of others) await shows(page, [...wanted, 'One'])
  await rope.showsSockets('ann', 1)

  // A crash takes no leave.
  const second = (await Promise.all(others.map(leads)))[0] ? others[0] : others[1]
  const last = others.find((page) => page !== second)
  await second.goto('chrome://crash').catch(() => {})
  await rope.publish('ann', 'After')
  await eventually(() => leads(last), true, 'the last tab leads')
  await shows(last, ['*After', ...wanted, 'One'])
  await rope.showsSockets('ann', 1)
  await one.leave()
})

test('two members in two tabs of one browser never mix', async () => {
  const one = await rope.visitor()
  const [bob, cid] = [
    await rope.page(one, { token: rope.token('bob') }),
    await rope.page(one, { token: rope.token('cid') }),
  ]
  for (const id of ['bob', 'cid']) await rope.showsSockets(id, 1)
  await rope.publish('bob', 'For Bob')
  await rope.publish('cid', 'For Cid')
  await rope.publish('cid', 'For Cid again')
  await showsBadge(bob, '1')
  await showsBadge(cid, '2')
  for (const page of [bob, cid]) await open(page)
  await shows(bob, ['*For Bob'])
  await shows(cid, ['*For Cid again', '*For Cid'])
  await cid.evaluate(() => document.querySelector('bellrope-bell').logout())
  await isGone(cid)
  await rope.showsSockets('cid', 0)
  await rope.showsSockets('bob', 1)
  await isOnline(bob)
  await shows(bob, ['*For Bob'])
  await one.leave()
})

test('no token, no bell, and no connection', async () => {
  const one = await rope.visitor()
  const page = await one.page(rope.forum.page())
  await page.waitForFunction(() => customElements.get('bellrope-bell'))
  await isGone(page)
  assert.deepEqual(one.frames, [])
  await one.leave()
})

test('a logout in one tab leaves and clears in all', async () => {
  const one = await rope.visitor()
  const pages = [
    await rope.page(one, { token: rope.token('dot') }),
    await rope.page(one, { token: rope.token('dot') }),
  ]
  await pages[1].evaluate(() => document.querySelector('bellrope-bell').logout())
  for (const page of pages) await isGone(page)
  await rope.showsSockets('dot', 0)
  await one.leave()
})

test('the forum signs a member out: all tabs are told why', async () => {
  const one = await rope.visitor()
  const pages = [
    await rope.page(one, { token: rope.token('eve') }),
    await rope.page(one, { token: rope.token('eve') }),
  ]
  for (const page of pages)
    await page.evaluate(() =>
      document
        .querySelector('bellrope-bell')
        .addEventListener('bellrope-ended', (event) => (window.why = event.detail.reason)),
    )
  await rope.signOut('eve')
  for (const page of pages) {
    await isGone(page)
    assert.equal(await page.evaluate(() => window.why), 'signed_out')
  }
  await one.leave()
})

test('a token that runs out is renewed by the callback, until there is nobody logged in', async () => {
  const one = await rope.visitor()
  let asked = 0
  let loggedIn = true
  const page = await one.page(rope.forum.page())
  await page.context().exposeBinding('freshToken', () => {
    asked += 1
    return loggedIn ? rope.token('fay', 3) : null
  })
  await page.evaluate(
    () => (document.querySelector('bellrope-bell').tokenCallback = () => window.freshToken()),
  )
  await isOnline(page)
  await eventually(() => asked >= 3, true, 'it was asked for again')
  await isOnline(page)
  await rope.publish('fay', 'Still here')
  await showsBadge(page, '1')
  loggedIn = false
  await isGone(page)
  await rope.showsSockets('fay', 0)
  await one.leave()
})

test('a token that runs out without a callback ends this tab alone; one with a longer token goes on', async () => {
  const one = await rope.visitor()
  const short = await rope.page(one, { token: rope.token('gil', 4) })
  const long = await rope.page(one, { token: rope.token('gil') })
  await isGone(short)
  await isOnline(long)
  await rope.publish('gil', 'Heard')
  await showsBadge(long, '1')
  await rope.showsSockets('gil', 1)
  await one.leave(/the server no longer takes the token \(expired\)/)
})

test('a token the server does not take shows no bell, and tells the developer', async () => {
  const one = await rope.visitor()
  const page = await one.page(rope.forum.page({ token: rope.token('hal').slice(0, -4) + 'AAAA' }))
  await isGone(page)
  await one.leave(/the server no longer takes the token \(token_invalid\)/, /status of 401/)
})
