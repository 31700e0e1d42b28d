// The demo's browser code against Bellrope, in a real browser: from another origin, and with /api handed on.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { eventually, visitor } from './browser.mjs'
import { serveDemo } from './demo/server.mjs'
import { PASSWORD, world } from './world.mjs'

const server = await world()

for (const proxied of [false, true]) {
  const way = proxied ? 'its own server hands /api on' : 'straight to the other origin'
  const demo = await serveDemo(server.url, { proxied })
  after(() => demo.close())
  const visit = () => visitor({ origins: [demo.url, server.url] })
  const shows = (page, text) => eventually(() => page.textContent('#message'), text, 'the message shown')

  async function login(page, name, password = PASSWORD) {
    await page.fill('[name=username]', name)
    await page.fill('[name=password]', password)
    await page.click('text=登录')
  }

  /** A visitor on the page for ADD AGE. */
  async function member(name) {
    const one = await visit()
    const page = await one.page(demo.url)
    await shows(page, 'hello')
    await login(page, name)
    await eventually(() => one.alerts.at(-1), '登陆成功~')
    // The first hello was nobody's socket, the second is the member's.
    await eventually(() => one.heard.length, 2, 'two sockets said hello')
    await page.click('text=about')
    return { one, page }
  }

  async function addAge({ one, page }) {
    const before = one.alerts.length
    await page.click('text=ADD AGE')
    await eventually(() => one.alerts.length, before + 1, 'an alert')
    return one.alerts.at(-1)
  }

  test(`${way}: two members in two browsers each see only their own number`, async () => {
    const names = ['ann', 'bob'].map((name) => `${name}-${proxied ? 'proxied' : 'direct'}`)
    for (const name of names) await server.user('add', name, '--password-stdin')
    const [ann, bob] = await Promise.all(names.map(member))

    assert.equal(await addAge(ann), '添加成功~')
    await shows(ann.page, '1')
    assert.equal(await addAge(ann), '添加成功~')
    await shows(ann.page, '2')
    assert.equal(await addAge(bob), '添加成功~')
    await shows(bob.page, '1')
    // Bob's own number came after both of ann's on their way; and hers is not touched by his.
    assert.equal(await addAge(ann), '添加成功~')
    await shows(ann.page, '3')
    assert.deepEqual(bob.one.heard, ['hello', 'hello', 1])
    assert.deepEqual(ann.one.heard, ['hello', 'hello', 1, 2, 3])
    assert.deepEqual(bob.one.alerts, ['登陆成功~', '添加成功~'])
    await Promise.all([ann.one.leave(), bob.one.leave()])
  })

  // Nothing but the way of HTTP differs, and by now it has been gone.
  if (proxied) continue

  test(`${way}: somebody not logged in is greeted, and told to log in`, async () => {
    const one = await visit()
    const page = await one.page(demo.url)
    await shows(page, 'hello')
    await login(page, '', '')
    await eventually(() => one.alerts.at(-1), '输入完整!')
    await login(page, 'nobody')
    await eventually(() => one.alerts.at(-1), '用户名或密码错误~')
    await page.click('text=about')
    assert.equal(await addAge({ one, page }), '请登录在进行操作！')
    await eventually(() => new URL(page.url()).hash, '#/', 'it leads back to the start')
    assert.deepEqual(one.heard, ['hello'])
    await one.leave()
  })

  test(`${way}: after its session ended the page says so and leads back to the start`, async () => {
    await server.user('add', 'eve', '--password-stdin')
    const eve = await member('eve')
    assert.equal(await addAge(eve), '添加成功~')
    const token = await eve.page.evaluate(() => localStorage.getItem('token'))
    assert.equal((await server.api('POST', '/logout', { token })).status, 200)
    await eventually(
      () => eve.one.frames.includes('42["session.ended",{"reason":"logged_out"}]'),
      true,
      'the socket was told',
    )

    assert.equal(await addAge(eve), '请登录在进行操作！')
    await eve.page.waitForSelector('[name=username]')
    assert.equal(new URL(eve.page.url()).hash, '#/')
    assert.equal(await eve.page.evaluate(() => localStorage.getItem('token')), null)
    assert.deepEqual(eve.one.heard, ['hello', 'hello', 1])
    await eve.one.leave()
  })
}
