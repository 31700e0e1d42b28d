// The examples of the integration guide: each does, against a real server, what the guide says, and is what the guide shows.
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { apiKey } from '../../packaging/integrations/test/key.mjs'
import { world } from './world.mjs'

const guide = resolve(import.meta.dirname, '../../packaging/integrations')
const SECRET = 'shared by the forum and the bell, and by nobody else'
const server = await world('--forum-secret', SECRET, '--forum-url', 'https://forum.example')
const key = await apiKey(server, 'forum', 'publish,inbox')

const examples = [
  { language: 'PHP', file: 'bellrope.php', program: 'php' },
  { language: 'Python', file: 'bellrope.py', program: 'python3' },
  { language: 'Node', file: 'bellrope.mjs', program: process.execPath },
  { language: 'curl', file: 'bellrope.sh', program: 'bash', also: ['curl', 'openssl'] },
]

for (const { language, file, program, also = [] } of examples) {
  const missing = [program, ...also].find((wanted) => !runs(wanted))
  const options = { skip: missing && `${missing} is not on this machine` }

  /** `php bellrope.php like 42 ...` and so on. */
  const say = async (...given) => {
    const env = {
      ...process.env,
      BELLROPE_URL: server.url,
      BELLROPE_FORUM_SECRET: SECRET,
      BELLROPE_API_KEY: key,
    }
    const { stdout } = await promisify(execFile)(program, [join(guide, 'examples', file), ...given], { env })
    return stdout.trim()
  }
  // Every language has members of its own.
  const [ann, bob] = [`${language}:42`, `${language}:7`]
  const name = 'Zoë "赵" O\'Hara\\'
  const inbox = async (token) => (await server.api('GET', '/inbox', { token })).json

  test(`${language}: who is looking is who the forum says`, options, async () => {
    const { status, json } = await server.api('GET', '/me', { token: await say('token', ann, name) })
    assert.deepEqual([status, json.id, json.name], [200, ann, name])
  })

  test(`${language}: a like is told, taken back, seen by a visit, gone with its topic`, options, async () => {
    const token = await say('token', ann, 'Ann')
    await say('like', ann, '5', '991', bob, name)
    await say('like', ann, '5', '991', 'carol', 'Carol')
    const [item, ...others] = (await inbox(token)).items
    assert.deepEqual(others, [])
    assert.deepEqual([item.title, item.kind, item.count], ['Carol likes your post', 'like', 2])
    assert.equal(item.url, 'https://forum.example/topic/5#991')
    assert.deepEqual(
      item.actors.map((actor) => actor.name),
      ['Carol', name],
    )

    await say('unlike', '991', 'carol')
    assert.deepEqual((await inbox(token)).items[0].title, `${name} likes your post`)
    assert.equal((await inbox(token)).counts.unread, 1)
    await say('visit', ann, '5')
    assert.equal((await inbox(token)).counts.unread, 0)
    await say('gone', '5')
    assert.deepEqual((await inbox(token)).items, [])
  })

  test(`${language}: what is said while the server is away is heard once it is back`, options, async () => {
    const token = await say('token', ann, 'Ann')
    await server.kill()
    const { asked } = await hangUpOnce(server.url)
    const said = say('like', ann, '6', '992', bob, 'Bob')
    await asked
    await server.start()
    await said
    const { items } = await inbox(token)
    assert.deepEqual([items.length, items[0].count], [1, 1])
    await say('gone', '6')
  })

  test(`${language}: a member who is banned is signed out; a refusal is told`, options, async () => {
    const token = await say('token', ann, 'Ann')
    await say('ban', ann)
    assert.equal((await server.api('GET', '/me', { token })).json.code, 'token_revoked')
    await assert.rejects(say('like', '', '5', '991', bob, 'Bob'), /field_invalid/)
  })

  test(`${language}: the guide shows the example as it is`, () => {
    const readme = readFileSync(join(guide, 'README.md'), 'utf8')
    const shown = readFileSync(join(guide, 'examples', file), 'utf8')
    assert.ok(readme.includes(`\n${shown.trimEnd()}\n\`\`\`\n`), `examples/${file} is not in README.md`)
  })
}

test(
  'curl: one line is an integration',
  { skip: !runs('curl') && 'curl is not on this machine' },
  async () => {
    const readme = readFileSync(join(guide, 'README.md'), 'utf8')
    const [, line] = /^```sh\n(curl -H "Authorization: Bearer \$BELLROPE_API_KEY" -d [^`]*)```/m.exec(readme)
    const env = { ...process.env, BELLROPE_URL: server.url, BELLROPE_API_KEY: key }
    await promisify(execFile)('bash', ['-c', line], { env })
    const token = await mint('42')
    const [item] = (await server.api('GET', '/inbox', { token })).json.items
    assert.equal(item.title, 'Bob replied')
  },
)

async function mint(member) {
  const node = join(guide, 'examples/bellrope.mjs')
  const env = { ...process.env, BELLROPE_FORUM_SECRET: SECRET }
  return (await promisify(execFile)(process.execPath, [node, 'token', member, 'Ann'], { env })).stdout.trim()
}

function runs(program) {
  try {
    execFileSync('bash', ['-c', 'command -v "$0"', program], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Something at `url` that hangs up on the first who asks, and makes way. */
async function hangUpOnce(url) {
  const { hostname, port } = new URL(url)
  const listener = createServer().listen(port, hostname)
  await once(listener, 'listening')
  const asked = once(listener, 'connection').then(async ([socket]) => {
    // With a reset, so that the port is free at once.
    socket.resetAndDestroy()
    listener.close()
    await once(listener, 'close')
  })
  return { asked }
}
