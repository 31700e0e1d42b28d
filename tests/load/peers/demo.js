// What every peer does, whatever it runs on: the demo's logic, as far as `bellrope bench` asks for it. A member's token is
// verified with each request and each connection; a socket joins its member's room and hears `hello`; an insert adds to the
// member's age in the store and tells the new age to the room. Besides that a notification that is told and not kept.
//
// A peer promises less than Bellrope: it keeps no inbox, so `ready` is empty and nothing is read for it; tokens cannot be
// revoked; a slow reader is never cut; nothing is limited. What it has to do is therefore less.
import { createSecretKey, randomUUID, timingSafeEqual } from 'node:crypto'
import jwt from 'jsonwebtoken'

export const port = Number(process.env.PEER_PORT ?? 0)
export const folder = process.env.PEER_DATA ?? '.'
const secret = createSecretKey(needed('PEER_SECRET'), 'utf8')
const publisher = Buffer.from(`Bearer ${needed('PEER_KEY')}`)

/** Socket.IO as its documents advise for speed and memory: no polling, no compression, no client to serve. */
export const options = {
  transports: ['websocket'],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
}

function needed(name) {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set`)
  return value
}

/** The member whose token this is; throws where it is none. */
function verified(token) {
  return jwt.verify(token, secret, { algorithms: ['HS256'] }).sub
}

/** Lets members' sockets in. */
export function listen(io) {
  io.use((socket, next) => {
    try {
      socket.data.member = verified(socket.handshake.auth.token)
      next()
    } catch {
      next(new Error('unauthorized'))
    }
  })
  io.on('connection', (socket) => {
    const { member } = socket.data
    socket.join(member)
    socket.on('message', echo)
    socket.emit('message', 'hello')
    socket.emit('ready', { user: { id: member }, epoch: '', seq: 0, recovered: false, changes: [] })
  })
}

/** One function for all sockets rather than one each. */
function echo(said) {
  this.emit('message', `你好客户端, ${said}`)
}

/** `/api/insert`: its envelope, once the store has it. */
export async function insert(store, authorization) {
  if (!authorization) return { code: -200, message: '请登录~' }
  let member
  try {
    member = verified(authorization.slice('Bearer '.length))
  } catch {
    return { code: 401, message: '请登录在进行操作！' }
  }
  try {
    await store.add(member)
    return { code: 200, message: '添加成功~' }
  } catch {
    return { code: -200, message: '添加失败~' }
  }
}

export function isPublisher(authorization) {
  const given = Buffer.from(authorization ?? '')
  return given.length === publisher.length && timingSafeEqual(given, publisher)
}

/** `POST /api/v1/notifications`: tells it to the sockets of those it is for, in Bellrope's words. Status and answer. */
export function notify(io, body) {
  const asked = JSON.parse(body)
  if (!asked.transient) return [422, { code: 'field_invalid', detail: 'this server keeps no inbox' }]
  const now = new Date().toISOString()
  const {
    kind,
    title,
    body: text = '',
    url = null,
    actor = null,
    object = null,
    key = null,
    group = null,
  } = asked
  const { data = null, expires_at = null } = asked
  const id = randomUUID()
  const item = {
    ...{
      id,
      seq: null,
      kind,
      title,
      body: text,
      url,
      actor,
      object,
      key,
      group,
      count: 1,
      actors: actor ? [actor] : [],
    },
    ...{ data, created_at: now, updated_at: now, expires_at, read: false, archived: false },
  }
  const to = asked.to === '*' ? io : io.to(asked.to)
  to.emit('inbox.transient', { item })
  return [200, { id }]
}

/** What whoever started it waits for. */
export function ready(at) {
  console.log(`listens on http://127.0.0.1:${at}`)
}
