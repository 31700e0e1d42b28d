// What a browser has to fetch: the forms of a file are the same file, and the login page and the bell stay light.
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { buffer } from 'node:stream/consumers'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { visit } from './app.mjs'
import { world } from './world.mjs'

/** Bytes in bodies, as they go over the wire. */
const login_bytes_max = 150_000
const script_bytes_max = { '/bell.js': 60_000, '/client.js': 30_000 }

const server = await world()

/** The body as it is sent, and what it is coded with: `fetch` would undo the coding. */
function raw(path, coding) {
  return new Promise((resolve, reject) => {
    const asked = request(server.url + path, { headers: { 'accept-encoding': coding } }, async (answer) =>
      resolve({
        status: answer.statusCode,
        coding: answer.headers['content-encoding'],
        body: await buffer(answer),
      }),
    )
    asked.on('error', reject)
    asked.end()
  })
}

/** What the login page fetches, by path, and how many bytes of body each answer was. */
async function loginPage() {
  const one = await visit(server)
  const page = await one.page()
  const sizes = []
  page.on('requestfinished', (asked) =>
    sizes.push(
      asked.sizes().then(({ responseBodySize }) => [new URL(asked.url()).pathname, responseBodySize]),
    ),
  )
  await page.goto(`${server.url}/login`, { waitUntil: 'networkidle' })
  await page.waitForSelector('[name=username]')
  const fetched = await Promise.all(sizes)
  await one.leave()
  return fetched
}

test('each form of a file is that file, and the login page is light', async () => {
  const fetched = await loginPage()
  const total = fetched.reduce((sum, [, bytes]) => sum + bytes, 0)
  assert.ok(fetched.some(([path]) => /^\/assets\/.*\.js$/.test(path)))
  assert.ok(total > 0 && total < login_bytes_max, `${total} bytes: ${JSON.stringify(fetched)}`)
  const files = fetched.map(([path]) => path).filter((path) => !path.startsWith('/api/'))
  for (const path of new Set([...files, '/bell.js', '/client.js', '/api/docs'])) {
    const plain = await raw(path, 'identity')
    assert.equal(plain.coding, undefined, path)
    for (const [coding, undo] of [
      ['br', brotliDecompressSync],
      ['gzip', gunzipSync],
    ]) {
      const sent = await raw(path, coding)
      assert.equal(sent.status, 200, path)
      // A file that no coding makes smaller is sent as it is.
      const body = sent.coding === undefined ? sent.body : undo(sent.body)
      assert.ok(body.equals(plain.body), `${path} as ${coding}`)
    }
  }
})

test('the scripts for other pages are light, with brotli and with gzip', async () => {
  for (const [path, bytes_max] of Object.entries(script_bytes_max))
    for (const coding of ['br', 'gzip']) {
      const sent = await raw(path, coding)
      assert.equal(sent.coding, coding)
      assert.ok(sent.body.length < bytes_max, `${path}: ${sent.body.length} bytes as ${coding}`)
    }
})
