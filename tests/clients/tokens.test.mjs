// What a socket may send as its token: the forms that let a member in, those that mean nobody, and those that are refused.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GENERATIONS, V3, V4, listen, places } from './ear.mjs'
import { wrongTokens } from './jwt.mjs'
import { world } from './world.mjs'

// Hundreds of wrong tokens from one address within seconds are more strangers than it may have.
const server = await world('--strangers-per-address', '4096')
const ann = await server.member('ann')
const ended = await server.login('ann')
assert.equal((await server.api('POST', '/logout', { token: ended.token })).status, 200)

/** What browser code sends before anybody has logged in; some of it is a JavaScript value, spelled out. */
const NOBODY = [undefined, '', 'null', 'undefined', 'Bearer ', 'Bearer null', 'Bearer undefined']
const WRONG = [
  ...wrongTokens(ann.token, server.secret),
  { what: 'logged out', wrong: ended.token, code: 'token_revoked' },
]

for (const generation of GENERATIONS) {
  for (const place of places(generation)) {
    const connect = (token, transports) => listen(generation, server.url, { token, place, transports })
    const way = `${generation.name}, ${place}.token`

    test(`${way}: with and without Bearer it is the member`, async () => {
      const ears = [connect(ann.token), connect(`Bearer ${ann.token}`), connect(ann.token, ['polling'])]
      await Promise.all(ears.map((ear) => ear.hearsMessage('hello')))
      const { age } = (await server.api('POST', '/me/age', { token: ann.token })).json
      await Promise.all(ears.map((ear) => ear.hearsMessage(age)))
      for (const ear of ears) ear.close()
    })

    test(`${way}: nothing, empty, null and undefined are nobody, who hears no number`, async () => {
      const nobodies = NOBODY.map((token) => connect(token))
      if (place === 'auth') nobodies.push(connect(null))
      const anns = connect(ann.token)
      await Promise.all([anns, ...nobodies].map((ear) => ear.hearsMessage('hello')))
      const { age } = (await server.api('POST', '/me/age', { token: ann.token })).json
      await anns.hearsMessage(age)
      for (const [at, ear] of nobodies.entries()) {
        await ear.echo('end')
        assert.deepEqual(ear.messages, ['hello', '你好客户端, end'], `token ${JSON.stringify(NOBODY[at])}`)
      }
      for (const ear of [anns, ...nobodies]) ear.close()
    })

    for (const transports of [['websocket'], ['polling']]) {
      test(`${way}, ${transports}: every wrong token is refused, and hears nothing`, async () => {
        for (const { what, wrong } of WRONG) {
          for (const token of [wrong, `Bearer ${wrong}`]) {
            const ear = connect(token, transports)
            const refusal = await ear.hears('error')
            assert.match(String(refusal), /^unauthorized/, what)
            assert.deepEqual(
              [ear.heard.length, ear.connected],
              [1, false],
              `${what}: nothing but the refusal`,
            )
            ear.close()
          }
        }
      })
    }
  }
}

test('GET /api/v1/me tells why each wrong token is refused', async () => {
  for (const { what, wrong, code } of WRONG) {
    const answer = await server.api('GET', '/me', { token: wrong })
    assert.deepEqual([what, answer.status, answer.json?.code], [what, 401, code])
    assert.equal(answer.headers['content-type'], 'application/problem+json')
  }
})

test("the demo's insert answers every wrong token, and null, with its 401", async () => {
  for (const { what, wrong } of [...WRONG, { what: 'null', wrong: 'null' }]) {
    const answer = await server.ask('/api/insert', { token: wrong })
    assert.equal(answer.status, 200, what)
    assert.deepEqual(answer.json, { code: 401, message: '请登录在进行操作！' }, what)
  }
  const without = await server.ask('/api/insert')
  assert.deepEqual(without.json, { code: -200, message: '请登录~' })
})

for (const generation of [V3, V4]) {
  test(`${generation.name}: auth.token goes before query.token`, async () => {
    const socket = listen(generation, `${server.url}/?token=garbage`, { token: ann.token, place: 'auth' })
    await socket.hearsMessage('hello')
    socket.close()
  })

  test(`${generation.name}: a token that is no string is refused, not taken for nobody`, async () => {
    for (const token of [12345, { token: ann.token }, [ann.token], true]) {
      const ear = listen(generation, server.url, { token, place: 'auth' })
      assert.match(String(await ear.hears('error')), /^unauthorized/, JSON.stringify(token))
      ear.close()
    }
  })
}
