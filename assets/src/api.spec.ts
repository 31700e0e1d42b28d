// What becomes of answers, good and bad, and when a session counts as lost.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { get, guardWith, postOpen, Problem } from './api'

let token: string | null
const lost = vi.fn()

function answer(status: number, body: unknown, headers: Record<string, string> = {}) {
  const fetched = vi.fn(async () => new Response(JSON.stringify(body), { status, headers }))
  vi.stubGlobal('fetch', fetched)
  return fetched
}

async function problemOf(asked: Promise<unknown>): Promise<Problem> {
  const reason = await asked.then(
    () => null,
    (found: unknown) => found,
  )
  if (!(reason instanceof Problem)) throw new Error('no problem came')
  return reason
}

beforeEach(() => {
  token = 'secret'
  lost.mockReset()
  guardWith({ token: () => token, lost })
})
afterEach(() => vi.unstubAllGlobals())

test('the token goes out as a bearer, and only with requests that need one', async () => {
  const fetched = answer(200, {})
  await get('/me')
  await postOpen('/login', { username: 'ann', password: 'x' })
  const sent = (fetched.mock.calls as unknown as [string, { headers: Headers }][]).map(([, { headers }]) =>
    headers.get('Authorization'),
  )
  expect(sent).toEqual(['Bearer secret', null])
})

test('a problem keeps its code, its field and how long to wait', async () => {
  answer(429, { code: 'too_many', detail: 'slow down', field: 'username' }, { 'Retry-After': '30' })
  const problem = await problemOf(postOpen('/login', {}))
  expect(problem).toMatchObject({
    code: 'too_many',
    status: 429,
    detail: 'slow down',
    field: 'username',
    retry_after_s: 30,
  })
})

test('a dead session is reported, a wrong password is not', async () => {
  answer(401, { code: 'token_expired' })
  await problemOf(get('/me'))
  expect(lost).toHaveBeenCalledExactlyOnceWith('token_expired')
  lost.mockReset()
  answer(401, { code: 'login_failed' })
  await problemOf(postOpen('/login', {}))
  answer(401, { code: 'token_expired' })
  await problemOf(postOpen('/setup', {}))
  expect(lost).not.toHaveBeenCalled()
})

test('a late 401 for a token that was replaced ends nothing', async () => {
  answer(401, { code: 'token_revoked' })
  const asked = problemOf(get('/me'))
  token = 'newer'
  expect((await asked).code).toBe('token_revoked')
  expect(lost).not.toHaveBeenCalled()
})

test('no answer, and an answer that is not ours, have codes too', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('failed')))
  expect((await problemOf(get('/me'))).code).toBe('unreachable')
  vi.stubGlobal('fetch', async () => new Response('<h1>502</h1>', { status: 502 }))
  expect(await problemOf(get('/me'))).toMatchObject({ code: 'unexpected', status: 502 })
})
