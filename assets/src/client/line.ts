// The one socket: it connects with the cursor, catches up, hands on what it hears, and keeps its token fresh.
import { io, type Socket } from 'socket.io-client'
import type { Credential } from './credential'
import type { Http } from './http'
import { Problem } from './problem'
import type { Change, Ready } from './state'
import type { EndReason, TransientItem } from './types'

export interface Ear {
  cursor(): { epoch: string | null; seq: number }
  /** Whether the change is the next one; if not, the line syncs and what comes before its answer is in it. */
  change(change: Change): boolean
  transient(item: TransientItem): void
  ready(ready: Ready, since: number): void
  alive(): void
  offline(): void
  /** `everywhere`: not this tab alone has lost its right, but the member in this browser. */
  ended(reason: EndReason, everywhere: boolean): void
}

export interface Line {
  /** Connects at once, unless it is connected or connecting. */
  retry(): void
  close(): void
}

const retry_ms_first = 1_000
const retry_ms_max = 30_000
/** A server answers at once; whoever does not is gone, or no Bellrope. */
const answer_ms_max = 15_000
/** A token is renewed this long before its end: time enough to try, and to fail and be told. */
const refresh_ms_before = 60_000
/** A clock that is wrong must not make us ask on and on. */
const refresh_ms_min = 30_000
/** The longest wait a timer can hold; a later end is looked at again then. */
const timer_ms_max = 2 ** 31 - 1

/** Why a token was refused, as HTTP tells it, in the words a session ends with. */
const refusals: Partial<Record<string, EndReason>> = { token_expired: 'expired', token_revoked: 'revoked' }

export function open(server: string, credential: Credential, http: Http, on: Ear): Line {
  let socket: Socket | null = null
  let token: string | null = null
  let wait_ms = retry_ms_first
  let turn: Timer
  let patience: Timer
  let refresh: Timer
  let busy = false
  let syncing = false
  let renewed = false
  let closed = false

  async function connect(): Promise<void> {
    if (busy || closed || socket) return
    busy = true
    clearTimeout(turn)
    try {
      const next = await credential.get()
      if (!closed && next !== null) dial(next)
    } catch {
      later()
    }
  }

  function dial(next: string): void {
    token = next
    socket = wire()
    const { epoch, seq } = on.cursor()
    // A cursor that is none is left out: there is nothing to go on from.
    socket.auth = epoch === null ? { token } : { token, epoch, since: seq }
    socket.connect()
    clearTimeout(patience)
    patience = setTimeout(broken, answer_ms_max)
  }

  function wire(): Socket {
    const made = io(server, {
      path: '/socket.io',
      transports: ['websocket', 'polling'],
      tryAllTransports: true,
      forceNew: true,
      autoConnect: false,
      // Each attempt takes the token and the cursor of its moment, so the attempts are made here.
      reconnection: false,
    })
    made.on('ready', take)
    made.on('disconnect', broken)
    made.on('connect_error', (error) => {
      if (error.message.startsWith('unauthorized')) void refused()
      else broken()
    })
    for (const type of ['inbox.added', 'inbox.updated', 'inbox.removed', 'inbox.state'] as const) {
      made.on(type, (body: object) => change({ ...body, type } as Change))
    }
    made.on('inbox.transient', ({ item }: { item: TransientItem }) => on.transient(item))
    made.on('socket.closed', rest)
    made.on('session.ended', (body?: { reason?: EndReason }) => void ended(body?.reason ?? 'revoked'))
    made.io.on('ping', on.alive)
    return made
  }

  function take(ready: Ready): void {
    clearTimeout(patience)
    busy = syncing = renewed = false
    wait_ms = retry_ms_first
    keepFresh(ready.expires_at)
    on.ready(ready, on.cursor().seq)
  }

  function change(next: Change): void {
    if (!syncing && !on.change(next)) void sync()
  }

  async function sync(): Promise<void> {
    syncing = true
    const mine = socket
    const { epoch, seq } = on.cursor()
    try {
      const answer = await command<Ready>('inbox.sync', { epoch, since: seq })
      if (mine === socket) take(answer)
    } catch {
      // On a new connection the cursor goes along, and that is answered or fails for all to see.
      if (mine === socket) broken()
    }
  }

  async function command<T>(name: string, body: object): Promise<T> {
    const answer: T & { error?: { code: string } } = await socket!
      .timeout(answer_ms_max)
      .emitWithAck(name, body)
    if (answer.error) throw new Problem(answer.error.code)
    return answer
  }

  function broken(): void {
    if (closed) return
    drop()
    on.offline()
    later()
  }

  /** The server has closed this socket for another's sake. A new one is opened when somebody looks, or they would
   * drive each other out for ever. */
  function rest(): void {
    drop()
    on.offline()
    busy = false
  }

  function drop(): void {
    for (const timer of [turn, patience, refresh]) clearTimeout(timer)
    syncing = false
    // Its ears are taken off first, or hanging up would be heard as another break.
    socket?.removeAllListeners().disconnect()
    socket = null
  }

  function later(): void {
    busy = false
    clearTimeout(turn)
    if (closed) return
    // Spread out: after a restart of the server its members do not all come in the same moment.
    turn = setTimeout(connect, wait_ms * (0.5 + Math.random()))
    wait_ms = Math.min(Math.max(wait_ms * 2, retry_ms_first), retry_ms_max)
  }

  /** The server does not take the token. A fresh one is tried once; else HTTP tells why. */
  async function refused(): Promise<void> {
    const stale = token
    drop()
    if (credential.renewable && !renewed) return again(stale)
    try {
      await http.ask('GET', '/me')
    } catch (error) {
      if (closed) return
      if (error instanceof Problem && error.status === 401)
        return end(refusals[error.code] ?? 'token_invalid', false)
    }
    broken()
  }

  async function again(stale: string | null): Promise<void> {
    busy = renewed = true
    try {
      const fresh = await credential.renew(stale)
      // Without one the member has left this browser, and whoever lent the token has said so.
      if (closed || fresh === null) return
      wait_ms = 0
    } catch {
      renewed = false
    }
    broken()
  }

  function ended(reason: EndReason): void {
    if (reason !== 'expired') return end(reason, true)
    // Without a callback this tab's token is all it had; another tab may hold one that is good for longer.
    if (!credential.renewable) return end(reason, false)
    drop()
    void again(token)
  }

  function keepFresh(expires_at: string | null): void {
    clearTimeout(refresh)
    if (!expires_at || !credential.renewable) return
    const left_ms = Date.parse(expires_at) - Date.now()
    const wait_ms = Math.max(left_ms - Math.min(refresh_ms_before, left_ms / 5), refresh_ms_min)
    refresh = setTimeout(renew, Math.min(wait_ms, timer_ms_max))
  }

  async function renew(): Promise<void> {
    const stale = token
    try {
      const fresh = await credential.renew(stale)
      if (closed || fresh === null || !socket?.connected) return
      const { expires_at } = await command<{ expires_at: string }>('session.refresh', { token: fresh })
      token = fresh
      keepFresh(expires_at)
    } catch (error) {
      if (closed) return
      if (error instanceof Problem && error.code === 'wrong_member') return end('wrong_member', true)
      // Any other failure is left to the end the server makes of it, which leads to a new try.
    }
  }

  function end(reason: EndReason, everywhere: boolean): void {
    close()
    on.ended(reason, everywhere)
  }

  function close(): void {
    closed = true
    drop()
    removeEventListener('online', retry)
  }

  function retry(): void {
    wait_ms = retry_ms_first
    void connect()
  }

  addEventListener('online', retry)
  void connect()
  return { retry, close }
}

type Timer = ReturnType<typeof setTimeout> | undefined
