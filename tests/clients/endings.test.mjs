// How sockets end: told why, within a second, and only those it concerns; and how they come back after a restart.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GENERATIONS, V4, listen } from './ear.mjs'
import { PASSWORD, bounded, world } from './world.mjs'

/** From the protocol: `session.ended`, then the disconnect, within a second of what ended the session. */
const told_ms_max = 1_000

const server = await world()

/** Sockets of one session: each generation, one of them by polling. */
async function sockets(token, url = server.url, again = false) {
  const ears = GENERATIONS.flatMap((generation) => listen(generation, url, { token, again }))
  ears.push(listen(V4, url, { token, again, transports: ['polling'] }))
  await Promise.all(ears.map((ear) => ear.hearsMessage('hello')))
  return ears
}

async function areEnded(ears, reason, ending) {
  const told = Promise.all(ears.map((ear) => ear.hears('disconnect')))
  await ending()
  // From the answer on: how long a busy machine takes to hash a password is another question.
  await bounded(
    told_ms_max,
    told,
    () => `not all were cut within ${told_ms_max} ms: ${JSON.stringify(ears.map((ear) => ear.heard))}`,
  )
  for (const ear of ears) {
    assert.deepEqual(ear.heard.slice(-2), [
      ['session.ended', { reason }],
      // The reason on which no client reconnects by itself.
      ['disconnect', 'io server disconnect'],
    ])
    assert.equal(ear.all('session.ended').length, 1)
    ear.close()
  }
}

async function ok(answer) {
  const { status, text } = await answer
  assert.equal(status, 200, text)
}

/** Each ends `first`, asked by the same member's `second` session, by itself or by the operator. */
const ENDINGS = [
  {
    reason: 'revoked',
    end: ({ first, second }) =>
      ok(server.api('DELETE', `/me/sessions/${first.session}`, { token: second.token })),
  },
  { reason: 'logged_out', end: ({ first }) => ok(server.api('POST', '/logout', { token: first.token })) },
  {
    reason: 'password_changed',
    end: ({ second }) =>
      ok(
        server.api('POST', '/me/password', {
          token: second.token,
          body: { current: PASSWORD, new: 'another password' },
        }),
      ),
  },
  {
    reason: 'password_changed',
    all: true,
    end: ({ name }) => server.user('passwd', name, '--password-stdin'),
  },
  { reason: 'account_disabled', all: true, end: ({ name }) => server.user('disable', name) },
  { reason: 'account_removed', all: true, end: ({ name }) => server.user('remove', name) },
]

for (const [at, { reason, all, end }] of ENDINGS.entries()) {
  test(`${reason}${all ? ' by the operator, all sessions' : ''}: told, cut within a second, and out for good`, async () => {
    const name = `member-${at}`
    const first = await server.member(name)
    const second = await server.login(name)
    const other = await server.member(`other-${at}`)
    const [firsts, seconds, others] = await Promise.all(
      [first, second, other].map(({ token }) => sockets(token)),
    )
    await server.insert(first.token)
    await Promise.all([...firsts, ...seconds].map((ear) => ear.hearsMessage(1)))

    await areEnded(all ? [...firsts, ...seconds] : firsts, reason, () => end({ name, first, second }))

    if (!all) {
      await server.insert(second.token)
      for (const ear of seconds) {
        await ear.hearsMessage(2)
        assert.deepEqual(ear.messages, ['hello', 1, 2])
      }
    }
    for (const ear of others) {
      await ear.echo('end')
      assert.deepEqual(ear.messages, ['hello', '你好客户端, end'])
    }
    const back = listen(V4, server.url, { token: first.token, place: 'auth' })
    assert.match(String(await back.hears('error')), /^unauthorized/)
    assert.equal((await server.api('GET', '/me', { token: first.token })).json.code, 'token_revoked')
    for (const ear of [back, ...seconds, ...others]) ear.close()
  })
}

for (const how of ['kill', 'stop']) {
  test(`after a restart (${how}) every client comes back by itself, and the numbers go on`, async () => {
    const own = await world()
    const ann = await own.member('ann')
    const ears = await sockets(ann.token, own.url, true)
    await own.insert(ann.token)
    await Promise.all(ears.map((ear) => ear.hearsMessage(1)))

    await own[how]()
    await Promise.all(ears.map((ear) => ear.hears('disconnect')))
    await own.start()

    await Promise.all(ears.map((ear) => ear.hears('message', 3)))
    await own.insert(ann.token)
    for (const ear of ears) {
      await ear.hearsMessage(2)
      assert.deepEqual(ear.messages, ['hello', 1, 'hello', 2])
      ear.close()
    }
  })
}
