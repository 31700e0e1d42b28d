// The inbox in a real browser: what arrives, what a member does with it, and every tab and device in step.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { REFUSED, UNREACHED, member } from './app.mjs'
import { eventually } from './browser.mjs'
import { publisher } from './publisher.mjs'
import { world } from './world.mjs'

const server = await world()
const publish = await publisher(server)

const LIVE = '[data-testid=connection][data-state=live]'

/** A member with an account of their own, on the page of their inbox. */
async function reader(name, { path = '/inbox', ...options } = {}) {
  await server.user('add', name, '--password-stdin')
  const { one, page } = await member(server, name, { path, ...options })
  await page.waitForSelector(path === '/inbox' ? LIVE : 'h1')
  return { one, page, id: `@${name}` }
}

const titles = (page) => page.locator('li.item .open').allTextContents()
const shows = (page, ...wanted) =>
  eventually(async () => (await titles(page)).join(' | '), wanted.join(' | '), 'the titles in the list')
const unread = (page) => page.locator('li.item.unread').count()
const badge = async (page) => (await page.locator('nav .unseen').allTextContents()).join()
const row = (page, title) => page.locator('li.item', { has: page.locator(`text="${title}"`) })
const toast = (page, text) => page.waitForSelector(`.toast >> text=${text}`)

/** What the server says to the member of this page. */
async function asked(page, path) {
  const token = await page.evaluate(() => localStorage.getItem('bellrope.token'))
  return (await server.api('GET', path, { token })).json
}

async function choose(page, title, action) {
  await row(page, title).locator('[aria-haspopup=menu]').click()
  await page.getByRole('menuitem', { name: action }).click()
}

test('what is published appears at once, newest first; elsewhere the number says so until one looks', async () => {
  const { one, page, id } = await reader('ann')
  await page.waitForSelector('.empty >> text=Nothing here yet')
  await publish(id, { title: 'First', body: 'Two\nlines' })
  await publish(id, { title: 'Second', actor: { id: '7', name: 'Bob' } })
  await shows(page, 'Second', 'First')
  assert.equal(await unread(page), 2)
  // Looked at, so it is not new any more; but not read.
  await eventually(() => badge(page), '', 'nothing unseen')
  await page.click('nav >> text=Sessions')
  await publish(id, { title: 'Third' })
  await toast(page, 'Third')
  await eventually(() => badge(page), '1', 'one unseen')
  assert.match(await page.getAttribute('link[rel=icon]', 'href'), /unseen/)
  await page.click('nav >> text=Inbox')
  await shows(page, 'Third', 'Second', 'First')
  await eventually(() => badge(page), '', 'seen')
  assert.doesNotMatch(await page.getAttribute('link[rel=icon]', 'href'), /unseen/)
  await page.reload()
  await shows(page, 'Third', 'Second', 'First')
  assert.equal(await badge(page), '')
  assert.equal(await unread(page), 3)
  await one.leave()
})

test('a group is one item with its people, and comes to the top when somebody joins it', async () => {
  const { one, page, id } = await reader('gil')
  const like = (actor, name) =>
    publish(id, {
      kind: 'like',
      group: 'like:1',
      title: `${name} liked your post`,
      actor: { id: actor, name },
    })
  await like('1', 'Ann')
  await publish(id, { title: 'Between' })
  await like('2', 'Bob')
  await shows(page, 'Bob liked your post', 'Between')
  assert.match(await row(page, 'Bob liked your post').textContent(), /Bob and Ann/)
  await like('3', 'Cid')
  await eventually(
    () => row(page, 'Cid liked your post').locator('.meta span').first().textContent(),
    'Cid and 2 others',
  )
  await one.leave()
})

test('a click opens the link and reads the item, in every tab; without a link it shows the whole text', async () => {
  const { one, page, id } = await reader('kit')
  const other = await one.page(`${server.url}/inbox`)
  await publish(id, { title: 'Linked', url: `${server.url}/robots.txt` })
  await publish(id, { title: 'Not linked', body: 'long '.repeat(100), url: '/t/1' })
  await shows(page, 'Not linked', 'Linked')
  await shows(other, 'Not linked', 'Linked')
  const [opened] = await Promise.all([page.context().waitForEvent('page'), page.click('text="Linked"')])
  await opened.waitForURL('**/robots.txt')
  assert.equal(await opened.evaluate(() => window.opener), null)
  await opened.close()
  for (const tab of [page, other]) await eventually(() => unread(tab), 1, 'one unread is left')
  const text = row(page, 'Not linked').locator('.body')
  const height = async () => (await text.boundingBox()).height
  const clamped = await height()
  await page.click('text="Not linked"')
  assert.ok((await height()) > clamped, 'the whole text is there')
  for (const tab of [page, other]) await eventually(() => unread(tab), 0, 'nothing unread is left')
  await one.leave()
})

test('by keyboard: down, up, archive and on to the next, undo, unread, open', async () => {
  const { one, page, id } = await reader('kim')
  for (const title of ['One', 'Two', 'Three']) await publish(id, { title })
  await shows(page, 'Three', 'Two', 'One')
  const focused = () => page.evaluate(() => document.activeElement.textContent.trim())
  const press = async (key, lands) => {
    await page.keyboard.press(key)
    await eventually(focused, lands, `after ${key}`)
  }
  await press('j', 'Three')
  await press('j', 'Two')
  await press('k', 'Three')
  await press('j', 'Two')
  await press('e', 'One')
  await shows(page, 'Three', 'One')
  await page.click('.toast >> text=Undo')
  await shows(page, 'Three', 'Two', 'One')
  // As it was before: not read.
  await eventually(() => unread(page), 3, 'unread again')
  await page.focus('text="Three"')
  await page.keyboard.press('u')
  await eventually(() => unread(page), 2)
  await page.keyboard.press('u')
  await eventually(() => unread(page), 3)
  await page.keyboard.press('Enter')
  await eventually(() => unread(page), 2)
  await page.keyboard.press('?')
  await page.waitForSelector('[role=dialog] >> text=Archive, or back to the inbox')
  // In the dialog the keys mean nothing.
  await page.keyboard.press('e')
  await page.keyboard.press('Escape')
  await shows(page, 'Three', 'Two', 'One')
  await one.leave()
})

test('tabs, kinds and older ones', async () => {
  const { one, page, id } = await reader('tab')
  for (let number = 1; number <= 25; number++) {
    await publish(id, { title: `Number ${number}`, kind: number === 3 ? 'like' : 'reply' })
  }
  await page.reload()
  await eventually(async () => (await titles(page)).length, 20, 'a page of the list')
  await page.click('text=Show older')
  await eventually(async () => (await titles(page)).length, 25, 'the rest of it')
  assert.equal(await page.isVisible('text=Show older'), false)
  await page.selectOption('select', 'like')
  await shows(page, 'Number 3')
  await row(page, 'Number 3').getByRole('button', { name: 'Archive' }).click()
  await page.waitForSelector('.empty')
  await page.click('text="Archived"')
  await shows(page, 'Number 3')
  await page.reload()
  await shows(page, 'Number 3')
  await row(page, 'Number 3').getByRole('button', { name: 'Back to the inbox' }).click()
  await page.waitForSelector('.empty')
  await page.click('.empty >> text=Show all')
  await eventually(async () => (await titles(page)).length, 20, 'all again')
  await page.click('nav >> text=Unread')
  await page.click('text=Mark all read')
  await page.waitForSelector('.empty >> text=Nothing unread')
  // Those too that the page has not loaded.
  const counts = async () => (await asked(page, '/inbox/counts')).counts.unread
  await eventually(counts, 0, 'unread on the server')
  await one.leave()
})

test('two devices show the same, whichever of them acted', async () => {
  const here = await reader('dev')
  const there = await member(server, 'dev', { path: '/inbox' })
  for (const title of ['One', 'Two', 'Three']) await publish(here.id, { title })
  for (const { page } of [here, there]) await shows(page, 'Three', 'Two', 'One')
  await choose(here.page, 'Two', 'Remove')
  await here.page.getByRole('alertdialog').getByRole('button', { name: 'Cancel' }).click()
  await choose(here.page, 'Two', 'Remove')
  await here.page.getByRole('alertdialog').getByRole('button', { name: 'Remove' }).click()
  for (const { page } of [here, there]) await shows(page, 'Three', 'One')
  await there.page.click('text=Mark all read')
  for (const { page } of [here, there]) await eventually(() => unread(page), 0)
  await choose(there.page, 'One', 'Archive')
  for (const { page } of [here, there]) await shows(page, 'Three')
  await Promise.all([here.one.leave(), there.one.leave()])
})

test('a kind, a group and a person are muted from the menu, undone at once, or lifted on the page of mutes', async () => {
  const { one, page, id } = await reader('mut')
  const like = (title) =>
    publish(id, { title, kind: 'like', group: 'like:1', actor: { id: '7', name: 'Bob' } })
  const refused = async (title) => (await like(title)).results[0].error?.code
  await like('Liked')
  await shows(page, 'Liked')
  const muted = async () => Object.values((await asked(page, '/inbox/preferences')).muted).flat().length
  for (const [action, said, what, list] of [
    ['Mute all “like”', 'Nothing of the kind', 'like', 'Kinds'],
    ['Mute this group', 'Nothing more of this group', 'like:1', 'Groups'],
    ['Mute Bob', 'Nothing from Bob', '7', 'People'],
  ]) {
    await choose(page, 'Liked', action)
    await toast(page, said)
    assert.equal(await refused('Not heard'), 'muted')
    await page.locator('.toast', { hasText: said }).getByRole('button', { name: 'Undo' }).click()
    await eventually(muted, 0, 'nothing is muted')
    await choose(page, 'Liked', action)
    await eventually(muted, 1, 'muted again')
    await page.click('.bar >> text=Muted')
    await page.waitForSelector(`h2 >> text=${list}`)
    await page.getByRole('button', { name: `Unmute ${what}` }).click()
    await page.waitForSelector('.empty')
    await page.click('text=Back to the inbox')
    await shows(page, 'Liked')
  }
  assert.equal(await refused('Liked'), undefined)
  await one.leave()
})

test('without the server the page says since when; what one does is taken back; on return it is in step', async () => {
  const own = await world()
  const tell = await publisher(own)
  await own.user('add', 'off', '--password-stdin')
  const { one, page } = await member(own, 'off', { path: '/inbox' })
  await page.waitForSelector(LIVE)
  await tell('@off', { title: 'Before' })
  await shows(page, 'Before')
  await own.stop()
  await page.waitForSelector('[data-testid=connection][data-state=offline]')
  await page.waitForSelector('.notice >> text=last in step')
  await page.focus('text="Before"')
  await page.keyboard.press('e')
  await toast(page, 'It is not certain that this was done')
  await shows(page, 'Before')
  await own.start()
  await page.waitForSelector(LIVE)
  await tell('@off', { title: 'After' })
  await shows(page, 'After', 'Before')
  await one.leave(UNREACHED, REFUSED)
})

test('in Chinese', async () => {
  const { one, page, id } = await reader('mei', { locale: 'zh-CN' })
  await page.waitForSelector('.empty >> text=暂时没有通知')
  await publish(id, { title: '小明回复了你', kind: 'reply', actor: { id: '9', name: '小明' } })
  await shows(page, '小明回复了你')
  await row(page, '小明回复了你').getByRole('button', { name: '归档' }).click()
  await toast(page, '已归档')
  await one.leave()
})
