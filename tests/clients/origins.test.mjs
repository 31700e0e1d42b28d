// Whose pages may come in: any by default, only those named with --allow-origin, and no socket is made for the others.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GENERATIONS, TRANSPORTS, V4, listen } from './ear.mjs'
import { world } from './world.mjs'

const FORUM = 'https://forum.example'
const SHOP = 'https://shop.example:8443'
const OWN = 'https://bell.example'
/** The last ones look like an allowed one to a careless comparison. */
const STRANGERS = [
  'https://evil.example',
  'null',
  `${FORUM}.evil.example`,
  `${FORUM}:8443`,
  'http://forum.example',
]

const open = await world()
const server = await world('--allow-origin', FORUM, '--allow-origin', SHOP, '--public-url', OWN)
const PATHS = [
  '/api/v1/server',
  '/api/insert',
  '/socket.io/?EIO=4&transport=polling',
  '/socket.io/?EIO=3&transport=polling',
]

const from = (origin) => (origin === undefined ? {} : { origin })

function refused(answer, origin) {
  assert.equal(answer.status, 403, origin)
  assert.equal(answer.json?.code, 'origin_refused', answer.text)
  assert.equal(answer.headers['access-control-allow-origin'], undefined)
  // Nothing a socket could be opened with.
  assert.doesNotMatch(answer.text, /sid/)
}

for (const path of PATHS) {
  test(`${path}: strangers get 403 origin_refused`, async () => {
    for (const origin of STRANGERS) refused(await server.ask(path, { headers: { origin } }), origin)
  })

  test(`${path}: the named, the own and no origin come in, with the headers a browser asks for`, async () => {
    for (const origin of [FORUM, SHOP, OWN, undefined]) {
      const answer = await server.ask(path, { headers: from(origin) })
      assert.equal(answer.status, 200, answer.text)
      assert.equal(answer.headers['access-control-allow-origin'], origin)
      assert.equal(answer.headers['access-control-allow-credentials'], origin && 'true')
      assert.equal(answer.headers['access-control-expose-headers'], origin && 'Retry-After')
      assert.match(answer.headers.vary ?? '', /\borigin\b/i)
    }
  })

  test(`${path}: without --allow-origin every origin comes in`, async () => {
    for (const origin of [...STRANGERS, FORUM, open.url]) {
      const answer = await open.ask(path, { headers: { origin } })
      assert.equal(answer.status, 200, origin)
      assert.equal(answer.headers['access-control-allow-origin'], origin)
      assert.equal(answer.headers['access-control-allow-credentials'], 'true')
    }
  })
}

const preflight = (where, path, method, origin) =>
  where.ask(path, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': method,
      'access-control-request-headers': 'authorization',
    },
  })
/** An operation of each method, and the sockets. */
const OPERATIONS = [
  ['GET', '/api/v1/inbox'],
  ['POST', '/api/v1/inbox/read'],
  ['PUT', '/api/v1/inbox/preferences'],
  ['DELETE', '/api/v1/inbox/1'],
  ['GET', '/api/insert'],
  ['POST', '/socket.io/?EIO=4&transport=polling'],
]

for (const [method, path] of OPERATIONS) {
  test(`${method} ${path}: a preflight names what may be sent, and a stranger gets none`, async () => {
    for (const [where, origins] of [
      [server, [FORUM, SHOP, OWN]],
      [open, [...STRANGERS, FORUM]],
    ]) {
      for (const origin of origins) {
        const { status, headers, text } = await preflight(where, path, method, origin)
        assert.deepEqual([status, text], [204, ''], origin)
        assert.equal(headers['access-control-allow-origin'], origin)
        assert.equal(headers['access-control-allow-credentials'], 'true')
        assert.match(headers.vary ?? '', /\borigin\b/i)
        const listed = (name) => headers[`access-control-allow-${name}`].toLowerCase().split(/, */).toSorted()
        assert.deepEqual(listed('headers'), ['authorization', 'content-type', 'idempotency-key'])
        assert.deepEqual(listed('methods'), ['delete', 'get', 'post', 'put'])
      }
    }
    for (const origin of STRANGERS) refused(await preflight(server, path, method, origin), origin)
  })

  test(`${method} ${path}: who skips the preflight is refused before anything is looked at`, async () => {
    for (const origin of STRANGERS) {
      // A good token would not help: it is not asked for.
      refused(await server.ask(path, { method, token: 'any', headers: { origin } }), origin)
    }
  })
}

test('the scripts for everybody are for strangers too', async () => {
  for (const path of ['/bell.js', '/client.js']) {
    for (const origin of STRANGERS) {
      const { status, headers } = await server.ask(path, { headers: { origin } })
      assert.equal(status, 200)
      assert.equal(headers['access-control-allow-origin'], origin)
      assert.equal(headers['cross-origin-resource-policy'], 'cross-origin')
      assert.equal(headers['set-cookie'], undefined)
    }
  }
})

test('an open polling session takes nothing from a stranger', async () => {
  const path = '/socket.io/?EIO=4&transport=polling'
  const { text } = await server.ask(path, { headers: { origin: FORUM } })
  const { sid } = JSON.parse(text.slice(1))
  for (const method of ['GET', 'POST']) {
    const headers = { origin: STRANGERS[0], 'content-type': 'text/plain;charset=UTF-8' }
    const body = method === 'POST' ? '40' : undefined
    refused(await server.ask(`${path}&sid=${sid}`, { method, body, headers }))
  }
})

for (const generation of GENERATIONS) {
  for (const transports of TRANSPORTS) {
    test(`${generation.name} over ${transports.join(' to ')}: a stranger's socket is refused, the others hear hello`, async () => {
      const connect = (origin) => listen(generation, server.url, { transports, headers: from(origin) })
      for (const origin of [STRANGERS[0], 'null']) {
        const ear = connect(origin)
        await ear.hears('error')
        assert.deepEqual([ear.messages, ear.connected], [[], false])
        ear.close()
      }
      for (const origin of [FORUM, OWN, undefined]) {
        const ear = connect(origin)
        await ear.hearsMessage('hello')
        ear.close()
      }
    })
  }
}

test('without --public-url the own address is the one listened on', async () => {
  const own = await world('--allow-origin', FORUM)
  assert.equal((await own.ask('/api/v1/server', { headers: { origin: own.url } })).status, 200)
  refused(await own.ask('/api/v1/server', { headers: { origin: OWN } }))
  const ear = listen(V4, own.url, { headers: from(own.url) })
  await ear.hearsMessage('hello')
  ear.close()
})
