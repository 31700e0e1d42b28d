// The demo's own stack: Koa, Socket.IO on ws, and SQLite in place of MongoDB.
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import Database from 'better-sqlite3'
import Koa from 'koa'
import { Server } from 'socket.io'
import { insert, isPublisher, listen, notify, options, port, ready } from './demo.js'
import { open } from './store.js'

const server = createServer()
const io = new Server(server, options)
// Socket.IO's documents advise it: else each socket keeps the request it came with.
io.engine.on('connection', (socket) => (socket.request = null))
listen(io)
const store = open(Database, (member, age) => io.to(member).emit('message', age))

const app = new Koa()
app.use(async (ctx) => {
  const authorization = ctx.get('authorization')
  if (ctx.path === '/api/insert') {
    ctx.body = await insert(store, authorization)
  } else if (ctx.path === '/api/v1/notifications') {
    if (!isPublisher(authorization)) ctx.throw(401)
    // Nothing is kept, so there is nothing to take back.
    if (ctx.method === 'DELETE') ctx.body = {}
    else [ctx.status, ctx.body] = notify(io, await text(ctx.req))
  }
})

server.on('request', app.callback())
server.listen(port, '127.0.0.1', 4096, () => ready(server.address().port))
process.on('SIGTERM', () => process.exit())
