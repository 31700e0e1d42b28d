// Socket.IO on Bun, with Socket.IO's own engine for it and Bun's own SQLite.
import { Database } from 'bun:sqlite'
import { Server as Engine } from '@socket.io/bun-engine'
import { Server } from 'socket.io'
import { insert, isPublisher, listen, notify, options, port, ready } from './demo.js'
import { open } from './store.js'

const io = new Server(options)
const engine = new Engine({ path: '/socket.io/' })
io.bind(engine)
listen(io)
const store = open(Database, (member, age) => io.to(member).emit('message', age))

async function insertRoute(request) {
  return Response.json(await insert(store, request.headers.get('authorization')))
}

async function notificationsRoute(request) {
  if (!isPublisher(request.headers.get('authorization'))) return Response.json({}, { status: 401 })
  // Nothing is kept, so there is nothing to take back.
  if (request.method === 'DELETE') return Response.json({})
  const [status, answer] = notify(io, await request.text())
  return Response.json(answer, { status })
}

const server = Bun.serve({
  ...engine.handler(),
  hostname: '127.0.0.1',
  port,
  routes: { '/api/insert': insertRoute, '/api/v1/notifications': notificationsRoute },
})
ready(server.port)
process.on('SIGTERM', () => process.exit())
