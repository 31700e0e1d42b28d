// The administrator's page about members: find one, see what happened to their inbox, and put an end to their sessions.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { REFUSED, ledToLogin, login, member, pathOf } from './app.mjs'
import { eventually } from './browser.mjs'
import { publisher } from './publisher.mjs'
import { PASSWORD, world } from './world.mjs'

const server = await world()
await server.user('add', 'boss', '--role', 'admin', '--password-stdin')
for (const name of ['Ann', 'bob']) await server.user('add', name, '--password-stdin')
const publish = await publisher(server)

const names = (page) => page.locator('.account .name').allTextContents()
const traced = async (page) =>
  (await page.locator('.trace li').allInnerTexts()).map((text) => text.split('\n')[1].replace(/\s+/g, ' '))
const press = (page, name) => page.locator('.about').getByRole('button', { name }).click()
const confirm = (page, name) => page.getByRole('alertdialog').getByRole('button', { name }).click()

test('a member is found, looked into, and told a test that arrives', async () => {
  const secret = 'what Bob wrote to Ann'
  await publish('@ann', { title: secret, body: secret, kind: 'reply' })
  const { one: her, page: hers } = await member(server, 'Ann', { path: '/inbox' })
  await hers.waitForSelector('li.item')
  const { one, page } = await member(server, 'boss', { path: '/members' })
  await page.waitForSelector('.account')
  assert.deepEqual((await names(page)).toSorted(), ['Ann', 'bob', 'boss', 'root'])
  await page.fill('[name=sought]', 'BO')
  assert.deepEqual((await names(page)).toSorted(), ['bob', 'boss'])
  await page.fill('[name=sought]', 'ann')
  await page.press('[name=sought]', 'Enter')
  await page.waitForSelector('.about h2 >> text=Ann')
  assert.equal(new URL(page.url()).search, '?id=@ann')
  await eventually(
    async () => (await page.textContent('[data-testid=presence]')).trim(),
    'online, connections: 1',
    'her page is open',
  )
  await press(page, 'Send a test')
  await page.waitForSelector('.toast >> text=connections that heard it: 1')
  await hers.waitForSelector('li.item >> text=A test by the administrator')
  await eventually(async () => (await traced(page))[0], 'Arrived test', 'the test heads the log')
  assert.ok((await traced(page)).includes('Arrived reply'))
  assert.ok(!(await page.content()).includes(secret), 'what others write to her is not in the page')
  await her.leave()
  await one.leave()
})

test('signing out and disabling ask once, and act at once', async () => {
  const { one: his, page: bobs } = await member(server, 'bob', { path: '/inbox' })
  const { one, page } = await member(server, 'boss', { path: '/members?id=@bob' })
  await press(page, 'Sign out everywhere')
  await page.getByRole('alertdialog').getByRole('button', { name: 'Cancel' }).click()
  assert.equal(pathOf(bobs), '/inbox')
  await press(page, 'Sign out everywhere')
  await confirm(page, 'Sign out everywhere')
  assert.match(await ledToLogin(bobs), /session was ended/)
  await page.waitForSelector('.sessions >> text=Logged in nowhere')

  await press(page, 'Disable')
  await confirm(page, 'Disable')
  await page.waitForSelector('.about .badge >> text=Disabled')
  await login(bobs, 'bob')
  await bobs.waitForSelector('form .failed')
  await press(page, 'Enable')
  await page.waitForSelector('.about .badge >> text=Disabled', { state: 'detached' })
  await login(bobs, 'bob', PASSWORD)
  await bobs.waitForSelector('nav')
  await his.leave(REFUSED)
  await one.leave()
})

test('a member of the forum is found by the whole id, and nobody is said to be nobody', async () => {
  await publish('42/a b', { title: 'Ann replied' })
  const { one, page } = await member(server, 'boss', { path: '/members' })
  await page.waitForSelector('.account')
  await page.fill('[name=sought]', '42/a b')
  await page.waitForSelector('text=No account is named so')
  await page.press('[name=sought]', 'Enter')
  await page.waitForSelector('.trace li')
  assert.equal(await page.isVisible('.about >> text=Disable'), false, 'there is no account to disable')
  assert.equal((await page.textContent('[data-testid=presence]')).trim(), 'not connected')
  await page.click('text=All members')
  await page.fill('[name=sought]', 'nobody')
  await page.press('[name=sought]', 'Enter')
  await page.waitForSelector('[role=alert] >> text=“nobody” was ever seen')
  await one.leave(REFUSED)
})
