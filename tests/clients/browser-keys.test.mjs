// The administrator's pages in a real browser: keys, and the console that publishes and tells the command for it.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { REFUSED, member } from './app.mjs'
import { eventually } from './browser.mjs'
import { world } from './world.mjs'

const server = await world()
for (const name of ['root', 'boss']) await server.user('add', name, '--role', 'admin', '--password-stdin')

const publishWith = (token) =>
  server.api('POST', '/notifications', { token, body: { to: '42', kind: 'reply', title: 'By key' } })
const keyNames = (page) => page.locator('.key .name').allTextContents()
const copied = (page, section) => page.locator(`${section} pre`).textContent()

test('a key is shown once, does what its scope allows, and nothing once it is revoked', async () => {
  const { one, page } = await member(server, 'root', { path: '/keys' })
  await page.waitForSelector('text=No keys yet')
  // A name and a scope there must be.
  await page.uncheck('[value=publish]')
  await page.click('form button[type=submit]')
  await page.waitForSelector('#name-error')
  await page.waitForSelector('#scopes-error')
  await page.fill('[name=name]', 'forum')
  await page.check('[value=publish]')
  await page.click('form button[type=submit]')
  await page.waitForSelector('.fresh')
  await eventually(
    () => page.evaluate(() => document.activeElement.textContent),
    'Your new key “forum”',
    'focus',
  )
  const key = await copied(page, '.fresh')
  assert.match(key, /^br_/)
  assert.match((await keyNames(page)).join(), /forum.*publish/)
  assert.equal((await publishWith(key)).status, 200)
  assert.equal((await server.api('GET', '/keys', { token: key })).json.code, 'scope_missing')

  await page.reload()
  await page.waitForSelector('.key >> text=Last used just now')
  assert.equal(await page.isVisible('.fresh'), false)
  assert.ok(!(await page.content()).includes(key), 'the secret is not in the page any more')
  await page.getByRole('button', { name: 'Revoke key: forum' }).click()
  await page.getByRole('alertdialog').getByRole('button', { name: 'Revoke' }).click()
  await page.waitForSelector('text=No keys yet')
  await page.waitForSelector('.toast >> text=is revoked')
  assert.equal((await publishWith(key)).status, 401)
  await one.leave()
})

test('a member finds none of them, and is told why', async () => {
  await server.user('add', 'ann', '--password-stdin')
  const { one, page } = await member(server, 'ann', { path: '/keys' })
  for (const path of ['/keys', '/publish', '/live', '/members', '/members?id=@ann']) {
    await page.goto(server.url + path)
    await page.waitForSelector('.notice >> text=for administrators')
    assert.equal(await page.isVisible('form, [data-tile], .about'), false)
  }
  assert.equal(await page.isVisible('nav >> text=Keys'), false)
  await one.leave(REFUSED)
})

test('the console publishes, says what came of it, and where something is wrong', async () => {
  const { one, page } = await member(server, 'boss', { path: '/publish' })
  await page.waitForSelector('form')
  await page.click('form button[type=submit]')
  await page.waitForSelector('#title-error')
  await page.fill('[name=to]', '@boss, @nobody')
  await page.fill('[name=kind]', 'Like')
  await page.fill('[name=title]', 'Bob’s reply')
  await page.click('form button[type=submit]')
  assert.match(await page.textContent('#kind-error'), /a-z/)
  await page.fill('[name=kind]', 'reply')
  await page.click('form button[type=submit]')
  const receipt = async () => (await page.locator('.receipt tbody tr').allInnerTexts()).join(' | ')
  await eventually(receipt, '@boss\t1\t1\t1 | @nobody\tNo such account', 'the receipt')
  await page.waitForSelector('.toast >> text=Bob’s reply')

  // What is wrong in the part that is folded away opens it.
  await page.fill('[name=to]', '@boss')
  await page.locator('details').evaluate((details) => (details.open = true))
  await page.fill('[name=actor_name]', 'Bob')
  await page.locator('details').evaluate((details) => (details.open = false))
  await page.click('form button[type=submit]')
  await page.waitForSelector('#actor_id-error')
  await page.fill('[name=actor_id]', '7')
  await page.check('[name=transient]')
  await page.click('form button[type=submit]')
  await eventually(receipt, '@boss\tnot kept\t1\t1', 'the receipt of what is not kept')
  await one.leave(REFUSED)
})

test('the command does what the console does', async () => {
  const { one, page } = await member(server, 'boss', { path: '/keys' })
  await page.fill('[name=name]', 'shell')
  await page.click('form button[type=submit]')
  await page.waitForSelector('.fresh')
  const key = await copied(page, '.fresh')
  await page.click('nav >> text=Publish')
  const said = { to: '43', title: `It's "$HOME" \`id\` 你好`, body: "line one\nline 'two'", url: '/t/1#2' }
  for (const [name, value] of Object.entries(said)) await page.fill(`[name=${name}]`, value)
  await page.click('summary')
  await page.fill('[name=data]', '{"a":')
  await page.waitForSelector('#data-error')
  await page.fill('[name=data]', '{"a":[1]}')
  await page.fill('[name=key]', 'topic:1')
  const command = await copied(page, 'section[aria-labelledby=command-title]')
  assert.ok(!command.includes(key))
  const { stdout } = await promisify(execFile)('sh', ['-c', command.replace('curl', 'curl -s')], {
    env: { PATH: process.env.PATH, KEY: key },
  })
  const first = JSON.parse(stdout)
  assert.deepEqual(first.results, [{ to: '43', seq: 1, unread: 1, sockets: 0 }])
  // The same key and the same content change nothing: the console said just what the command had said.
  await page.click('form button[type=submit]')
  await eventually(
    async () => (await page.locator('.receipt tbody tr').allInnerTexts()).join(),
    '43\t1\t1\t0',
    'the receipt',
  )
  await one.leave()
})
