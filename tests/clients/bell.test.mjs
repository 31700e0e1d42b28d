// The bell in a real browser: on a forum's page of another origin, under a policy that allows it nothing it does not need.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UNREACHED } from './app.mjs'
import {
  bells,
  choose,
  isOffline,
  isOnline,
  notice,
  open,
  row,
  shows,
  showsBadge,
  showsNotice,
  titles,
} from './bell-page.mjs'
import { eventually } from './browser.mjs'

const rope = await bells()
const { server } = rope

test('both scripts are whole, and for every origin', async () => {
  for (const path of ['/bell.js', '/client.js']) {
    const answer = await server.ask(path, { headers: { origin: 'https://forum.example' } })
    assert.equal(answer.status, 200)
    assert.match(answer.headers['content-type'], /^text\/javascript/)
    assert.match(answer.headers['access-control-allow-origin'] ?? '', /^(\*|https:\/\/forum\.example)$/)
    assert.doesNotMatch(answer.text, /\bimport\s*[("'{*]|sourceMappingURL/, 'it needs no other file')
  }
})

test('two lines of HTML: what was published is on the page, is seen, read, and followed', async () => {
  const attributes = { token: rope.token('ann'), 'title-count': '' }
  const url = `${rope.forum.page(attributes, '/t/1')}#5`
  await rope.publish('ann', 'Bob replied to you', { url, body: '<b>not bold</b>' })
  const one = await rope.visitor()
  const page = await rope.page(one, attributes)
  await showsBadge(page, '1')
  assert.equal(await page.title(), '(1) A forum')
  assert.equal(await page.getAttribute('button.bell', 'aria-label'), 'Notifications, 1 new')

  await rope.publish('ann', 'Clara replied to you')
  await showsBadge(page, '2')
  await eventually(() => page.locator('.toast').textContent(), 'Clara replied to you', 'a toast')
  await open(page)
  await shows(page, ['*Clara replied to you', '*Bob replied to you'])
  assert.match(await row(page, 'Bob').textContent(), /<b>not bold<\/b>/, 'text is text')
  await showsBadge(page, '')
  assert.equal(await page.title(), 'A forum')

  await rope.publish('ann', 'Dev replied to you')
  await shows(page, ['*Dev replied to you', '*Clara replied to you', '*Bob replied to you'])
  await row(page, 'Bob').locator('.main').click()
  await page.waitForURL('**/t/1*#5')
  await isOnline(page)
  await open(page)
  await shows(page, ['*Dev replied to you', '*Clara replied to you', 'Bob replied to you'])
  await page.click('text=Mark all read')
  await shows(page, ['Dev replied to you', 'Clara replied to you', 'Bob replied to you'])
  await one.leave()
})

test('a group says who, and one press mutes it, with undo', async () => {
  const one = await rope.visitor()
  const page = await rope.page(one, { token: rope.token('mia') })
  const like = (id, name) =>
    rope.publish('mia', `${name} liked your post`, { kind: 'like', group: 'like:9', actor: { id, name } })
  for (const [id, name] of Object.entries({ 1: 'Bob', 2: 'Clara', 3: 'Dev', 4: 'Erin' })) await like(id, name)
  await open(page)
  await shows(page, ['*Erin liked your post'])
  assert.match(await row(page, 'Erin').textContent(), /Erin and 3 others/)

  await choose(page, 'Erin', 'Mute this group')
  await showsNotice(page, /Nothing more of this group will come/)
  assert.deepEqual((await like('5', 'Finn')).error, { code: 'muted' })
  await notice(page).locator('button').click()
  await eventually(async () => (await like('6', 'Gus')).error, undefined, 'the group is heard again')
  await shows(page, ['*Gus liked your post'])

  await choose(page, 'Gus', 'Mute Gus')
  await showsNotice(page, /Nothing from Gus/)
  await choose(page, 'Gus', 'Mute all “like”')
  await showsNotice(page, /kind “like”/)
  await page.click('button[aria-label="Muted"]')
  await eventually(
    () => page.locator('.mutes li').allTextContents().then(String),
    'likeUnmute,GusUnmute',
    'mutes',
  )
  for (const name of ['like', 'Gus']) await page.click(`button[aria-label="Unmute ${name}"]`)
  await page.waitForSelector('text=Nothing is muted')
  assert.equal((await like('6', 'Gus')).error, undefined)
  await one.leave()
})

test('archive, unread, load more', async () => {
  const many = Array.from({ length: 25 }, (_, n) => `Reply ${n + 1}`)
  await rope.publishMany('lee', many)
  const one = await rope.visitor()
  const page = await rope.page(one, { token: rope.token('lee') })
  await showsBadge(page, '25')
  await open(page)
  await eventually(() => page.locator('.row').count(), 20, 'the first page')
  await page.click('text=Show older')
  const wanted = many.toReversed().map((title) => `*${title}`)
  await shows(page, wanted)
  assert.equal(await page.locator('text=Show older').isVisible(), false)

  await row(page, 'Reply 25').locator('.archive').click()
  await shows(page, wanted.slice(1))
  await showsNotice(page, /Archived/)
  await notice(page).locator('button').click()
  await shows(page, wanted)
  await choose(page, 'Reply 24', 'Mark read')
  await shows(page, [wanted[0], 'Reply 24', ...wanted.slice(2)])
  await choose(page, 'Reply 24', 'Mark unread')
  await shows(page, wanted)
  await one.leave()
})

test('by keyboard alone: open, walk, choose, leave, and be where one was', async () => {
  await rope.publishMany('kay', ['One', 'Two', 'Three'])
  const one = await rope.visitor()
  const page = await rope.page(one, { token: rope.token('kay') })
  const focused = () =>
    page.evaluate(() => {
      const inside = document.activeElement.shadowRoot?.activeElement
      return (inside ?? document.activeElement).getAttribute('aria-label') ?? inside?.textContent
    })
  const isFocused = (pattern) =>
    eventually(async () => pattern.test(await focused()), true, `focus on ${pattern}`)
  await page.focus('nav a')
  await page.keyboard.press('Tab')
  await isFocused(/^Notifications, 3 new$/)
  await page.keyboard.press('Enter')
  await isFocused(/^Notifications$/)
  await shows(page, ['*Three', '*Two', '*One'])
  for (let n = 0; n < 4; n++) await page.keyboard.press('Tab')
  await isFocused(/Three/)
  await page.keyboard.press('ArrowDown')
  await isFocused(/Two/)
  // The row is drawn anew, and the focus stays on it.
  await page.keyboard.press('Enter')
  await shows(page, ['*Three', 'Two', '*One'])
  await isFocused(/Two/)
  await page.keyboard.press('Tab')
  await isFocused(/^Archive: Two$/)
  await page.keyboard.press('Enter')
  await shows(page, ['*Three', '*One'])
  await isFocused(/^Archive: One$/)
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await isFocused(/^Mark read$/)
  await page.keyboard.press('ArrowDown')
  await isFocused(/^Archive$/)
  await page.keyboard.press('Escape')
  await isFocused(/^Actions for: One$/)
  await page.keyboard.press('Escape')
  await isFocused(/^Notifications$/)
  assert.equal(await page.locator('dialog.panel').isVisible(), false)
  await one.leave()
})

test('what is refused is taken back, with the reason', async () => {
  await rope.publish('rae', 'Keep me')
  const one = await rope.visitor()
  const page = await rope.page(one, { token: rope.token('rae') })
  await open(page)
  await shows(page, ['*Keep me'])
  await page.route('**/api/v1/inbox/archive', (route) =>
    route.fulfill({
      status: 503,
      contentType: 'application/problem+json',
      headers: { 'access-control-allow-origin': rope.forum.origin },
      body: JSON.stringify({ code: 'busy' }),
    }),
  )
  await row(page, 'Keep me').locator('.archive').click()
  await showsNotice(page, /Taken back.*busy/)
  await shows(page, ['*Keep me'])
  await one.leave(/status of 503/)
})

test('away and back: it says so, and brings what was missed, once and in order', async () => {
  await rope.publish('oli', 'Before')
  const one = await rope.visitor()
  const page = await rope.page(one, { token: rope.token('oli') })
  await open(page)
  await shows(page, ['*Before'])
  const many = Array.from({ length: 10 }, (_, n) => `Missed ${n + 1}`)
  // The line breaks first, so that nothing can be heard before the server has gone.
  await page.context().setOffline(true)
  await isOffline(page)
  assert.match(await page.textContent('.bar'), /Offline. This was last in step/)
  await rope.publishMany('oli', many)
  await server.kill()
  await server.start()
  await page.context().setOffline(false)
  await isOnline(page)
  const wanted = [...many.toReversed().map((title) => `*${title}`), '*Before']
  await shows(page, wanted)
  assert.equal(await page.locator('.bar').first().isVisible(), false)
  await rope.publish('oli', 'After')
  await shows(page, ['*After', ...wanted])
  const recovered = () => page.evaluate(() => document.querySelector('bellrope-bell').client.state.recovered)
  assert.equal(await recovered(), true)

  // And when only the server goes, which no browser is told.
  await server.kill()
  await isOffline(page)
  await server.start()
  await rope.publishMany('oli', ['Late', 'Later'])
  await isOnline(page)
  await shows(page, ['*Later', '*Late', '*After', ...wanted])
  assert.equal(await recovered(), true)
  await one.leave(UNREACHED)
})

test('a push that is never kept is a toast, and in no list', async () => {
  const one = await rope.visitor()
  const page = await rope.page(one, { token: rope.token('tia') })
  await rope.publish('tia', 'The shop closes in five minutes', { transient: true })
  await eventually(() => page.locator('.toast').textContent(), 'The shop closes in five minutes', 'a toast')
  await showsBadge(page, '')
  await open(page)
  await page.waitForSelector('text=Nothing here yet')
  assert.deepEqual(await titles(page), [])
  await one.leave()
})

test('a page may show what was pressed by itself, and every text is a stranger’s', async () => {
  const script = '<img src=x onerror=alert(1)>'
  const actor = { id: '7', name: script, avatar: null }
  await rope.publish('sam', script, { body: script, kind: 'mention', group: script, actor })
  const one = await rope.visitor()
  const page = await rope.page(one, { token: rope.token('sam') })
  await page.evaluate(() =>
    document.querySelector('bellrope-bell').addEventListener('bellrope-open', (event) => {
      event.preventDefault()
      window.pressed = event.detail.item.title
    }),
  )
  await open(page)
  await shows(page, [`*${script}`])
  await row(page, script).locator('.main').click()
  assert.equal(await page.evaluate(() => window.pressed), script)
  assert.equal(await page.locator('dialog.panel').isVisible(), false)
  await open(page)
  await shows(page, [script])
  await choose(page, script, `Mute ${script}`)
  await showsNotice(page, /Nothing from <img/)
  assert.deepEqual(one.alerts, [])
  await one.leave()
})

test('the desktop is asked for by a press alone, and told only what the member cannot see', async () => {
  const one = await rope.visitor()
  const page = await one.page()
  // A headless browser has no desktop to show anything on.
  await page.addInitScript(() => {
    window.told = []
    window.asked = 0
    window.Notification = class {
      static permission = 'default'
      static requestPermission() {
        window.asked += 1
        return Promise.resolve((this.permission = 'granted'))
      }
      constructor(title, { body }) {
        window.told.push(`${title}: ${body}`)
      }
    }
  })
  await page.goto(rope.forum.page({ token: rope.token('pam'), desktop: '' }))
  await isOnline(page)
  await open(page)
  assert.equal(await page.evaluate(() => window.asked), 0)
  await page.click('text=Notify me on the desktop too')
  assert.equal(await page.evaluate(() => window.asked), 1)
  await rope.publish('pam', 'Seen in the list')
  await shows(page, ['*Seen in the list'])
  await page.evaluate(() => Object.defineProperty(document, 'hidden', { get: () => true }))
  await rope.publish('pam', 'Unseen', { body: 'as the tab is in the background' })
  const told = () => page.evaluate(() => window.told.join())
  await eventually(told, 'Unseen: as the tab is in the background', 'the desktop')
  await showsBadge(page, '1')
  await one.leave()
})

test('in Chinese, at 320 pixels', async () => {
  await rope.publish('wei', '小明回复了你', {
    actor: { id: '7', name: '小明', avatar: 'https://127.0.0.1:1/a.png' },
  })
  const one = await rope.visitor({ viewport: { width: 320, height: 640 }, locale: 'zh-CN' })
  const page = await rope.page(one, { token: rope.token('wei'), lang: 'zh-CN' })
  assert.equal(await page.getAttribute('button.bell', 'aria-label'), '通知，1 条新消息')
  await open(page)
  await shows(page, ['*小明回复了你'])
  assert.match(await row(page, '小明').textContent(), /未读：小明回复了你刚刚/)
  // The policy does not allow that picture: the first letter stands in.
  await eventually(() => row(page, '小明').locator('.face').textContent(), '小', 'the initial')
  const wide = await page.evaluate(() => document.documentElement.scrollWidth)
  assert.ok(wide <= 320, `no horizontal scroll: ${wide}`)
  const small = await page.locator('dialog.panel button, dialog.panel a').evaluateAll((all) =>
    all
      .map((one) => one.getBoundingClientRect())
      .filter(({ width, height }) => width > 0 && (width < 44 || height < 44))
      .map(({ width, height }) => [width, height]),
  )
  assert.deepEqual(small, [], 'targets of 44 pixels')
  await one.leave(
    /request to elsewhere: https:..127.0.0.1:1/,
    /policy: img-src/,
    /violates the following Content Security Policy directive: "img-src/,
  )
})
