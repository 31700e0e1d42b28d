// The official Socket.IO clients, and an ear that notes in order what one of their sockets hears.
import { after } from 'node:test'
import io2 from 'socket.io-client-2'
import { io as io3 } from 'socket.io-client-3'
import { io as io4 } from 'socket.io-client-4'
import { bounded } from './world.mjs'

/** Far longer than anything takes; only a failing test waits so long. */
const wait_ms_max = 15_000

/** `auth`: whether a client of this generation can send a token outside the query. */
export const GENERATIONS = [
  { name: 'v2', io: io2, auth: false },
  { name: 'v3', io: io3, auth: true },
  { name: 'v4', io: io4, auth: true },
]
export const [V2, V3, V4] = GENERATIONS

export const TRANSPORTS = [['websocket'], ['polling'], ['polling', 'websocket']]

/** Where a client can put its token. */
export function places(generation) {
  return generation.auth ? ['auth', 'query'] : ['query']
}

const open = new Set()
/** The one after hook of a file: sockets close before the server stops, or its stop would have to cut them. */
after(() => {
  for (const ear of open) ear.close()
})

/**
 * Connects, and hears from the very first event on.
 * `token` goes to `place`; `again: true` reconnects quickly after a broken line.
 */
export function listen(
  generation,
  url,
  { token, place = 'query', transports = ['websocket'], headers, again = false } = {},
) {
  const socket = generation.io(url, {
    transports,
    autoConnect: false,
    forceNew: true,
    extraHeaders: headers,
    reconnection: again,
    reconnectionDelay: 50,
    reconnectionDelayMax: 200,
    timeout: wait_ms_max,
    ...(token !== undefined && { [place]: { token } }),
  })
  const ear = new Ear(socket)
  open.add(ear)
  socket.connect()
  return ear
}

class Ear {
  /** Everything, oldest first: `[event, body]`. */
  heard = []
  #socket
  #waiting = new Set()

  constructor(socket) {
    this.#socket = socket
    for (const event of ['connect', 'message', 'session.ended', 'disconnect']) {
      socket.on(event, (body) => this.#note(event, body))
    }
    // A refusal is `error` for v2 and `connect_error` for those after it; v2 says `connect_error` of broken lines.
    for (const event of ['error', 'connect_error']) {
      socket.on(event, (error) =>
        this.#note('error', typeof error === 'string' ? error : (error?.message ?? error)),
      )
    }
  }

  #note(event, body) {
    this.heard.push([event, body])
    for (const look of this.#waiting) look()
  }

  /** The bodies of one event, in order. */
  all(event) {
    return this.heard.filter(([heard]) => heard === event).map(([, body]) => body)
  }

  /** What `message` brought: `hello`, echoes, numbers. */
  get messages() {
    return this.all('message')
  }

  /** Waits until `is` holds of this ear. */
  async until(is, what) {
    if (is(this)) return
    let look
    const come = new Promise((resolve) => {
      look = () => is(this) && resolve()
      this.#waiting.add(look)
    })
    const why = () => `waited ${wait_ms_max} ms for ${what}; heard ${JSON.stringify(this.heard.slice(-20))}`
    await bounded(wait_ms_max, come, why).finally(() => this.#waiting.delete(look))
  }

  /** Waits for an event, the `nth` of its name. */
  async hears(event, nth = 1) {
    await this.until(() => this.all(event).length >= nth, `${event} number ${nth}`)
    return this.all(event)[nth - 1]
  }

  /** Waits for a message with exactly this body. */
  hearsMessage(body) {
    return this.until(() => this.messages.includes(body), `the message ${JSON.stringify(body)}`)
  }

  /** Says something and waits for the server's answer: all that was sent to this socket before has come by then. */
  async echo(text) {
    this.#socket.emit('message', text)
    await this.hearsMessage(`你好客户端, ${text}`)
  }

  say(...args) {
    this.#socket.emit(...args)
  }

  get connected() {
    return this.#socket.connected
  }

  get transport() {
    return this.#socket.io.engine.transport.name
  }

  /** Waits until a socket that began by polling has become a WebSocket. */
  upgraded() {
    if (this.transport === 'websocket') return Promise.resolve()
    const come = new Promise((resolve) => this.#socket.io.engine.once('upgrade', resolve))
    return bounded(wait_ms_max, come, () => `no upgrade within ${wait_ms_max} ms`)
  }

  close() {
    open.delete(this)
    this.#socket.close()
  }
}
