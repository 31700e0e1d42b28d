// The socket: opened once a session, it says how the connection stands and hands on what it hears. Knows no Vue.
import { io } from 'socket.io-client'

export type State = 'connecting' | 'live' | 'offline' | 'refused'

export interface Listener {
  state(now: State): void
  /** `hello`, the answer to what was sent, or the new age. */
  message(body: string | number): void
  /** The server has ended this session; no reconnect will be tried. */
  ended(reason: string): void
  /** The handshake was refused; only HTTP tells why. */
  refused(): void
}

export interface Live {
  send(text: string): void
  retry(): void
  close(): void
}

/** Socket.IO reconnects by itself after a broken line, but not after the server has said no: these are for that. */
const retry_ms_first = 1_000
const retry_ms_max = 30_000

export function open(token: () => string | null, on: Listener): Live {
  let wait_ms = retry_ms_first
  let timer: ReturnType<typeof setTimeout> | undefined
  /** The server closed the socket to make room for another of the same member. */
  let resting = false

  const socket = io({
    path: '/socket.io',
    transports: ['websocket', 'polling'],
    tryAllTransports: true,
    // Asked at every handshake, so a reconnect carries the token of the moment.
    auth: (give) => give({ token: token() ?? '' }),
    reconnectionDelayMax: 10_000,
    forceNew: true,
  })

  function later(): void {
    clearTimeout(timer)
    timer = setTimeout(() => socket.connect(), wait_ms)
    wait_ms = Math.min(wait_ms * 2, retry_ms_max)
  }
  function retry(): void {
    clearTimeout(timer)
    socket.disconnect().connect()
  }
  /** Back when somebody looks: of two that came back by themselves, each would drive out the other. */
  function look(): void {
    if (resting) retry()
  }
  function close(): void {
    clearTimeout(timer)
    removeEventListener('online', retry)
    removeEventListener('focus', look)
    socket.removeAllListeners()
    socket.disconnect()
  }

  socket.on('connect', () => {
    wait_ms = retry_ms_first
    resting = false
    on.state('live')
  })
  socket.on('disconnect', (reason) => {
    if (reason === 'io client disconnect') return
    on.state('offline')
    if (!socket.active && !resting) later()
  })
  socket.on('connect_error', (error) => {
    if (socket.active) return on.state('offline')
    on.state('refused')
    later()
    if (error.message.startsWith('unauthorized')) on.refused()
  })
  socket.on('message', on.message)
  socket.on('socket.closed', () => (resting = true))
  socket.on('session.ended', (body?: { reason?: string }) => {
    close()
    on.ended(body?.reason ?? '')
  })
  addEventListener('online', retry)
  addEventListener('focus', look)

  return { send: (text) => socket.emit('message', text), retry, close }
}
