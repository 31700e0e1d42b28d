// FlaskBB and Bellrope, both real, with their members in real browsers: what one does, the other hears.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { eventually } from '../../../../tests/clients/browser.mjs'
import { world } from '../../../../tests/clients/world.mjs'
import { apiKey } from '../../test/key.mjs'
import { forum as flaskbb } from './forum.mjs'

const SECRET = 'shared by the forum and the bell, and by nobody else'
const server = await world('--forum-secret', SECRET)
const forum = await flaskbb(
  {
    BELLROPE_URL: server.url,
    BELLROPE_FORUM_SECRET: SECRET,
    BELLROPE_API_KEY: await apiKey(server, 'flaskbb', 'publish,inbox'),
  },
  ['ann', 'bob'],
)
/** Chromium itself says so while Bellrope is away. */
const UNREACHED = /^console: (Failed to load resource: net::|WebSocket connection to .* failed)/
/** The like plugin wants to renew a count that is shown only beside posts of that member. */
const NO_COUNTS = /^console: htmx:oobErrorNoTarget, \.like-counts/

const login = (name) => forum.member(name, [server.url])
const [ann, bob, admin] = [await login('ann'), await login('bob'), await login('admin')]

const bell = (page) => page.locator('bellrope-bell').getByRole('button', { name: /^(Notifications|通知)/ })
const rows = (page) => page.locator('bellrope-bell').getByRole('listitem')
const unread = (page) => rows(page).filter({ hasText: 'Unread:' })

/** The number at the bell; '' when there is none. */
const badge = (page) =>
  page.locator('bellrope-bell [part=badge]').evaluate((node) => (node.hidden ? '' : node.textContent))
const rings = (page, count) => eventually(() => badge(page), count, `the bell of ${page.url()}`)

/** What the member's inbox holds, newest first, asked with the token that the forum gives out. */
async function inbox(member) {
  const token = await member.page.evaluate(() => document.querySelector('bellrope-bell').tokenCallback())
  const { status, json, text } = await server.api('GET', '/inbox?limit=100', { token })
  assert.equal(status, 200, text)
  return json
}
const titles = async (member) => (await inbox(member)).items.map((item) => item.title).join('\n')
const holds = (member, ...wanted) =>
  eventually(() => titles(member), wanted.join('\n'), `the inbox of ${member.name}`)

/** Nothing of the story before is left, and no panel is open. */
async function afresh(...members) {
  for (const member of members) {
    const token = await member.page.evaluate(() => document.querySelector('bellrope-bell').tokenCallback())
    await server.api('POST', '/inbox/archive', { token, body: { all: true } })
    await member.go('/')
    await rings(member.page, '')
  }
}

test('a like shows on the open page of the author without a reload, and reading it in one tab clears the other', async () => {
  const topic = await ann.topic('Bells', 'Do you like them?')
  const post = await ann.reply(topic, 'I do.')
  await ann.go('/')
  const other = await ann.tab()
  for (const page of [ann.page, other]) {
    await rings(page, '')
    // A reload would forget it.
    await page.evaluate(() => (window.stayed = true))
  }

  await bob.press(topic, post)
  for (const page of [ann.page, other]) await rings(page, '1')
  await holds(ann, 'bob liked your post in “Bells”')

  // Another like is not another item.
  await admin.press(topic, post)
  await holds(ann, 'admin liked your post in “Bells”')
  const [item] = (await inbox(ann)).items
  assert.deepEqual([item.count, item.actors.map(({ name }) => name)], [2, ['admin', 'bob']])

  await bell(other).click()
  await unread(other).waitFor()
  // Whoever has opened the list has seen it, on every tab.
  for (const page of [ann.page, other]) await rings(page, '')
  await bell(ann.page).click()
  await unread(ann.page).waitFor()
  assert.equal(await ann.page.evaluate(() => window.stayed), true)

  await ann.page.getByRole('button', { name: 'Mark all read' }).click()
  await eventually(() => unread(other).count(), 0, 'unread in the other tab')
  assert.equal(await rows(other).count(), 1)
  assert.equal((await inbox(ann)).counts.unread, 0)
  assert.equal(await other.evaluate(() => window.stayed), true)

  await rows(ann.page).getByText('admin liked your post').click()
  await ann.page.waitForURL(new RegExp(`/topic/${topic}-bells#pid${post}$`))
  await other.close()
  await afresh(ann)
})

test('a like taken back is a like nobody hears of', async () => {
  const topic = await ann.topic('Hearts', 'On and off.')
  const post = await ann.reply(topic, 'Press it.')
  await ann.go('/')
  await bob.press(topic, post)
  await admin.press(topic, post)
  await rings(ann.page, '1')
  await bob.press(topic, post)
  await eventually(async () => (await inbox(ann)).items[0]?.count, 1, 'the likes that are left')
  await admin.press(topic, post)
  await rings(ann.page, '')
  await holds(ann)
})

test('a reply rings for who began the topic; a visit marks it read, in every tab', async () => {
  const topic = await ann.topic('Ropes', 'Which length?')
  await ann.go('/')
  await bob.reply(topic, 'Ten metres, says `@admin`.\n\n> @admin asked')
  await rings(ann.page, '1')
  await holds(ann, 'bob replied in “Ropes”')
  const [item] = (await inbox(ann)).items
  assert.equal(item.body, 'Ten metres, says .')
  // Neither the one who wrote it, nor one who was quoted.
  assert.deepEqual([await titles(bob), await titles(admin)], ['', ''])

  const other = await ann.tab('/')
  await rings(other, '1')
  await other.goto(`${forum.url}/topic/${topic}`)
  await rings(ann.page, '')
  assert.equal((await inbox(ann)).counts.unread, 0)
  await other.close()

  // Two who answer are one item; whoever wrote in a topic hears of it as well.
  await admin.reply(topic, 'Twelve.')
  await rings(ann.page, '1')
  await holds(bob, 'admin replied in “Ropes”')
  await afresh(ann, bob)
})

test('who is called by name is told so, in their language, also by an edit; a post that is gone is not mentioned', async () => {
  await forum.sql("UPDATE users SET language = 'zh_CN' WHERE username = 'bob'")
  const topic = await ann.topic('Calls', '@bob, have you seen this?')
  await holds(bob, 'ann 在“Calls”中提到了你')
  await bob.go('/')
  assert.match(await bell(bob.page).getAttribute('aria-label'), /^通知/)

  const post = await ann.reply(topic, 'Anybody?')
  await ann.edit(post, 'Anybody? @admin?')
  await holds(admin, 'ann mentioned you in “Calls”')
  await ann.edit(post, 'Anybody? @admin? @bob?')
  await holds(bob, 'ann 在“Calls”中提到了你', 'ann 在“Calls”中提到了你')
  await holds(admin, 'ann mentioned you in “Calls”')
  await forum.sql("UPDATE users SET language = 'en' WHERE username = 'bob'")

  // A post that is gone is retracted, and so is a topic with all that is about it.
  await admin.go(`/topic/${topic}`)
  await admin.post(`/post/${post}/delete`)
  await holds(admin)
  await holds(bob, 'ann 在“Calls”中提到了你')
  await admin.post(`/topic/${topic}/delete`)
  await holds(bob)
})

test('a private message rings, and says no more than its subject', async () => {
  await bob.write('ann', 'Between us', 'the text itself')
  await rings(ann.page, '1')
  const [item] = (await inbox(ann)).items
  assert.deepEqual([item.title, item.body], ['bob sent you a message', 'Between us'])
  assert.deepEqual(await titles(bob), '')
  await ann.go(item.url)
  await rings(ann.page, '')
  assert.equal((await inbox(ann)).counts.unread, 0)
  await afresh(ann)
})

test('what happens while Bellrope is away is told once when it is back, in order; the forum is as fast as ever', async () => {
  const topic = await ann.topic('Patience', 'What if it is not there?')
  const post = await ann.reply(topic, 'Like this.')
  await ann.go('/')
  await rings(ann.page, '')
  await server.kill()
  const deaf = await listens(server.url)
  const began_ms = performance.now()
  await bob.press(topic, post)
  await bob.reply(topic, 'Then it waits.')
  await admin.press(topic, post)
  await bob.press(topic, post)
  // The plugin waits five seconds for an answer. A forum that waited along would have done so for each of the four.
  assert.ok(performance.now() - began_ms < 20_000, `${performance.now() - began_ms} ms`)
  await deaf.end()
  await server.start()
  await rings(ann.page, '2')
  // Newest first. Had bob's un-like come before his like, there would be two who like it.
  await holds(ann, 'admin liked your post in “Patience”', 'bob replied in “Patience”')
  assert.equal((await inbox(ann)).items[0].count, 1)
  assert.equal(forum.log.match(/Bellrope (does not answer|answers)/g)?.length, 1, forum.log)
  assert.match(forum.log, /Bellrope hears again/)
  await afresh(ann, bob)
})

/** Somebody at this address who listens to everything and answers nothing. */
async function listens(url) {
  const { hostname, port } = new URL(url)
  const sockets = []
  const listener = createServer((socket) => sockets.push(socket.on('error', () => {})))
  listener.listen(port, hostname)
  await once(listener, 'listening')
  const end = async () => {
    listener.close()
    // With a reset, so that the port is free at once.
    for (const socket of sockets) socket.resetAndDestroy()
    await once(listener, 'close')
  }
  return { end }
}

test('nobody who is not logged in, or is banned, has a bell; a ban takes it from open pages', async () => {
  const stranger = await fetch(forum.url).then((answer) => answer.text())
  assert.doesNotMatch(stranger, /bellrope/)
  assert.deepEqual(await fetch(`${forum.url}/bellrope/token`).then((answer) => answer.json()), {
    token: null,
  })

  const token = await bob.page.evaluate(() => document.querySelector('bellrope-bell').tokenCallback())
  await bell(bob.page).waitFor()
  await admin.go('/')
  await admin.post('/admin/users/3/ban')
  await bell(bob.page).waitFor({ state: 'detached' })
  assert.equal((await server.api('GET', '/inbox', { token })).json.code, 'token_revoked')
  await bob.go('/')
  assert.equal(await bob.page.locator('bellrope-bell').count(), 0)
})

test('nothing went wrong unsaid', async () => {
  await forum.stop()
  assert.doesNotMatch(forum.log, /Traceback|refuses|lost|dropped/)
  for (const member of [ann, bob, admin]) await member.browser.leave(UNREACHED, NO_COUNTS)
})
