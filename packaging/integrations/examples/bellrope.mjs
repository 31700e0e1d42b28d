// Bellrope from Node: import it into the forum, or try it by hand: `node bellrope.mjs like 42 5 991 7 Bob`.
import { createHmac, randomUUID } from 'node:crypto'

const url = process.env.BELLROPE_URL ?? 'http://127.0.0.1:8888'
const { BELLROPE_FORUM_SECRET: secret, BELLROPE_API_KEY: key } = process.env

/** Who is looking at this page. Never for somebody who is not logged in. */
export function token(member, name) {
  const now_s = Math.floor(Date.now() / 1000)
  const head = { alg: 'HS256', typ: 'JWT' }
  const claims = { sub: String(member), name, iat: now_s, exp: now_s + 3600 }
  const signed = [head, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

/** To the author of a post: somebody likes it. Likes of one post fold into one item. */
export async function like(to, topic, post, member, name) {
  await ask('POST', '/notifications', {
    to: [String(to)],
    kind: 'like',
    title: `${name} likes your post`,
    url: `/topic/${topic}#${post}`,
    actor: { id: String(member), name },
    object: { type: 'topic', id: String(topic) },
    key: `like:${post}:${member}`,
    group: `like:${post}`,
  })
}

export async function unlike(post, member) {
  await ask('DELETE', `/notifications/by-key/${encodeURIComponent(`like:${post}:${member}`)}`)
}

/** The member opened the topic: what is about it is read, on every device. */
export async function visit(member, topic) {
  await ask('POST', `/users/${member}/read`, { object: { type: 'topic', id: String(topic) } })
}

export async function gone(topic) {
  await ask('DELETE', `/notifications?object_type=topic&object_id=${topic}`)
}

export async function ban(member) {
  await ask('POST', `/users/${member}/sign-out`, {})
}

/**
 * Asks until Bellrope has heard. The key lets it know a repetition, so nobody hears twice. May take a minute, so a page is
 * sent first, or a queue does this.
 */
export async function ask(method, path, body, tries = 6) {
  const headers = {
    authorization: `Bearer ${key}`,
    'content-type': 'application/json',
    'idempotency-key': randomUUID(),
  }
  for (let attempt = 0; attempt < tries; attempt++) {
    // No answer, half of one, or one that comes too late, is a reason to ask again.
    const answer = await once(`${url}/api/v1${path}`, {
      method,
      headers,
      body: body && JSON.stringify(body),
    }).catch(() => null)
    if (answer?.status === 200) return JSON.parse(answer.text)
    if (answer && answer.status < 500 && ![408, 409, 429].includes(answer.status))
      throw new Error(`Bellrope refuses: ${answer.text}`)
    const pause_s = answer?.retryAfter_s || 2 ** attempt
    if (attempt < tries - 1) await new Promise((resolve) => setTimeout(resolve, pause_s * 1_000))
  }
  throw new Error('Bellrope does not answer')
}

async function once(address, request) {
  const late = new AbortController()
  // `AbortSignal.timeout` does not keep Node running, and a connection that broke need not either.
  const timer = setTimeout(() => late.abort(), 5_000)
  try {
    const answer = await fetch(address, { ...request, signal: late.signal })
    const retryAfter_s = Number(answer.headers.get('retry-after'))
    return { status: answer.status, retryAfter_s, text: await answer.text() }
  } finally {
    clearTimeout(timer)
  }
}

if (process.argv[1] === import.meta.filename) {
  const [verb, ...given] = process.argv.slice(2)
  const said = await { token, like, unlike, visit, gone, ban }[verb](...given)
  if (said !== undefined) console.log(said)
}
