// Every generation of the official client, over every transport: hello, echo, own numbers and nobody else's, in order.
import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { test } from 'node:test'
import { GENERATIONS, TRANSPORTS, V2, V3, V4, listen } from './ear.mjs'
import { world } from './world.mjs'

const server = await world()

for (const generation of GENERATIONS) {
  for (const transports of TRANSPORTS) {
    const way = `${generation.name} over ${transports.join(' to ')}`
    // Names must differ, and are how a failing server log tells the stories apart.
    const suffix = `${generation.name}-${transports.join('-')}`
    const connect = (token) => listen(generation, server.url, { transports, token })

    test(`${way}: anybody hears hello before anything else, and an answer`, async () => {
      const ear = connect()
      await ear.hearsMessage('hello')
      await ear.echo('在吗')
      await ear.echo('')
      assert.deepEqual(ear.heard, [
        ['connect', undefined],
        ['message', 'hello'],
        ['message', '你好客户端, 在吗'],
        ['message', '你好客户端, '],
      ])
      ear.close()
    })

    test(`${way}: what it says is answered in the order it was said`, async () => {
      const ear = connect()
      await ear.hearsMessage('hello')
      // Beyond ASCII, and beyond 16 bits: polling counts characters, and clients and servers have counted differently.
      const texts = Array.from({ length: 40 }, (_, at) => `${'🔔'.repeat(at % 3)}好${at}`)
      for (const text of texts) ear.say('message', text)
      await ear.hears('message', 1 + texts.length)
      assert.deepEqual(ear.messages, ['hello', ...texts.map((text) => `你好客户端, ${text}`)])
      ear.close()
    })

    test(`${way}: it stays on its transport, or really moves on`, async () => {
      const ear = connect()
      await ear.hears('connect')
      if (transports.length > 1) await ear.upgraded()
      await ear.echo('after')
      assert.equal(ear.transport, transports.at(-1))
      ear.close()
    })

    test(`${way}: a member hears the own numbers, and nobody else does`, async () => {
      const [ann, bob] = await Promise.all([server.member(`ann-${suffix}`), server.member(`bob-${suffix}`)])
      const [anns, bobs, nobodys] = [
        connect(`Bearer ${ann.token}`),
        connect(`Bearer ${bob.token}`),
        connect(),
      ]
      await Promise.all([anns, bobs, nobodys].map((ear) => ear.hearsMessage('hello')))
      await server.insert(ann.token)
      await server.insert(ann.token)
      await anns.hearsMessage(2)
      // Pushes go out in the order of commits. Whatever wrongly went to bob would be ahead of his own number, and
      // whatever wrongly went to nobody would be ahead of the answer asked for after that.
      await server.insert(bob.token)
      await bobs.hearsMessage(1)
      await nobodys.echo('end')
      await anns.echo('end')
      assert.deepEqual(bobs.messages, ['hello', 1])
      assert.deepEqual(nobodys.messages, ['hello', '你好客户端, end'])
      assert.deepEqual(anns.messages, ['hello', 1, 2, '你好客户端, end'])
      for (const ear of [anns, bobs, nobodys]) ear.close()
    })
  }
}

test('what a socket may not say is neither answered nor held against it', async () => {
  const ear = listen(V4, server.url)
  await ear.hearsMessage('hello')
  for (const body of [7, { a: 1 }, ['x'], null]) ear.say('message', body)
  ear.say('message')
  ear.say('no such event', 'x')
  ear.say('session.ended', { reason: 'mine' })
  await ear.echo('still here')
  assert.deepEqual(ear.messages, ['hello', '你好客户端, still here'])
  ear.close()
})

test('there is one namespace, and no other can be joined', async () => {
  for (const generation of GENERATIONS) {
    const ear = listen(generation, `${server.url}/admin`)
    assert.equal(await ear.hears('error'), 'Invalid namespace')
    assert.deepEqual([ear.heard.length, ear.connected], [1, false])
    ear.close()
  }
})

test('a number goes to every socket of the member, whichever session each came in by', async () => {
  const first = await server.member('eve')
  const second = await server.login('eve')
  const ears = [V2, V3, V4, V4].map((generation, at) =>
    listen(generation, server.url, { token: (at % 2 ? second : first).token }),
  )
  await Promise.all(ears.map((ear) => ear.hearsMessage('hello')))
  await server.insert(first.token)
  await server.insert(second.token)
  await Promise.all(ears.map((ear) => ear.hearsMessage(2)))
  for (const ear of ears) {
    assert.deepEqual(ear.messages, ['hello', 1, 2])
    ear.close()
  }
})

test('1,000 inserts at once: three sockets of three generations each hear exactly 1 to 1,000, ascending', async () => {
  const count = 1_000
  const { token } = await server.member('dan')
  const other = await server.login('dan')
  const ears = [
    listen(V2, server.url, { token: `Bearer ${token}` }),
    listen(V3, server.url, { token: other.token, place: 'auth' }),
    listen(V4, server.url, { token, place: 'auth', transports: ['polling', 'websocket'] }),
  ]
  await Promise.all(ears.map((ear) => ear.hearsMessage('hello')))
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  await Promise.all(Array.from({ length: count }, () => server.insert(token, agent)))
  agent.destroy()
  const expected = ['hello', ...Array.from({ length: count }, (_, at) => at + 1)]
  for (const ear of ears) {
    await ear.hearsMessage(count)
    await ear.echo('end')
    assert.deepEqual(ear.messages, [...expected, '你好客户端, end'])
    ear.close()
  }
  const me = await server.api('GET', '/me', { token })
  assert.equal(me.json.age, count)
})
