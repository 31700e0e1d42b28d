// For the tests: a server around a model, with the socket, the requests and the locks that a browser would have.
import { Model } from './model'
import type { Filter, Selector } from './types'

type Listener = (body?: unknown) => void

/** As much of a Socket.IO client as the line uses. What is sent arrives in its own turn, as on a wire. */
export class FakeSocket {
  auth: { token?: string; epoch?: string; since?: number } = {}
  connected = false
  /** While true, what the server says is lost on the way. */
  deaf = false
  readonly io = { on: () => {} }
  readonly #host: Host
  #listeners = new Map<string, Listener>()

  constructor(host: Host) {
    this.#host = host
  }
  on(name: string, listener: Listener): this {
    this.#listeners.set(name, listener)
    return this
  }
  hear(name: string, body?: unknown): void {
    // Looked up when it arrives: who has hung up hears nothing.
    if (!this.deaf) queueMicrotask(() => this.#listeners.get(name)?.(body))
  }
  connect(): void {
    queueMicrotask(() => this.#host.connect(this))
  }
  disconnect(): this {
    this.connected = false
    this.#host.sockets.delete(this)
    return this
  }
  removeAllListeners(): this {
    this.#listeners.clear()
    return this
  }
  timeout(): this {
    return this
  }
  async emitWithAck(
    name: string,
    body: { epoch?: string; since?: number; token?: string },
  ): Promise<unknown> {
    await Promise.resolve()
    this.deaf = false
    return this.#host.command(name, body)
  }
}

export class Host {
  readonly model = new Model()
  readonly sockets = new Set<FakeSocket>()
  /** What was asked by HTTP, e.g. `POST /inbox/read`. */
  readonly asked: string[] = []
  /** What was sent to refresh a session. */
  readonly refreshed: string[] = []
  up = true
  /** Tokens that are no longer taken. */
  readonly stale = new Set<string>()
  /** How long a token is good for, as the server tells it. */
  expires_at: string | null = null
  /** Answers the next request in place of the host. */
  refuse: { status: number; code: string } | null = null
  /** Requests wait for this before they are answered, so that a test can say what comes first. */
  gate: Promise<void> = Promise.resolve()

  constructor() {
    this.model.hear = ({ type, ...body }) => {
      for (const socket of this.sockets) socket.hear(type, body)
    }
  }

  readonly io = () => new FakeSocket(this)

  connect(socket: FakeSocket): void {
    const { token = '', epoch = null, since = 0 } = socket.auth
    if (!this.up) return socket.hear('connect_error', new Error('xhr poll error'))
    if (this.stale.has(token)) return socket.hear('connect_error', new Error('unauthorized'))
    socket.connected = true
    this.sockets.add(socket)
    socket.hear('ready', { ...this.model.ready(epoch, since), expires_at: this.expires_at })
  }

  command(name: string, body: { epoch?: string; since?: number; token?: string }): unknown {
    if (name === 'inbox.sync')
      return { ...this.model.ready(body.epoch ?? null, body.since ?? 0), expires_at: this.expires_at }
    this.refreshed.push(body.token ?? '')
    return { expires_at: this.expires_at }
  }

  /** All lines break at once, as when the server stops. */
  cut(): void {
    this.up = false
    for (const socket of [...this.sockets]) {
      socket.hear('disconnect')
      this.sockets.delete(socket)
    }
  }

  /** The server closes the sockets that are open, and says why. */
  crowdOut(): void {
    for (const socket of [...this.sockets]) {
      socket.hear('socket.closed', { reason: 'crowded' })
      socket.hear('disconnect')
      this.sockets.delete(socket)
    }
  }

  end(reason: string): void {
    for (const socket of this.sockets) socket.hear('session.ended', { reason })
  }

  readonly fetch = async (address: string, init: RequestInit): Promise<Response> => {
    const url = new URL(address)
    const path = url.pathname.replace('/api/v1', '')
    this.asked.push(`${init.method} ${path}`)
    const { refuse } = this
    this.refuse = null
    const body = init.body ? (JSON.parse(String(init.body)) as object) : {}
    const token = new Headers(init.headers).get('authorization')?.slice(7) ?? ''
    const answer =
      this.up && !refuse && !this.stale.has(token) ? this.#answer(init.method, path, url, body) : null
    await this.gate
    if (!this.up) throw new TypeError('no network')
    if (refuse) return Response.json({ code: refuse.code }, { status: refuse.status })
    return answer ? Response.json(answer) : Response.json({ code: 'token_expired' }, { status: 401 })
  }

  #answer(method: string | undefined, path: string, { searchParams }: URL, body: object): object {
    const { model } = this
    if (path === '/inbox') {
      const before = searchParams.get('before')
      const state = searchParams.get('state') as NonNullable<Filter['state']>
      return model.page({ state }, before === null ? null : Number(before), Number(searchParams.get('limit')))
    }
    if (path === '/me') return model.member
    if (method === 'DELETE') model.act('remove', { ids: [path.slice('/inbox/'.length)] })
    else if (path === '/inbox/seen') model.look((body as { through: number }).through)
    else model.act(path.slice('/inbox/'.length) as 'read', body as Selector)
    return { epoch: model.epoch, seq: model.seq, counts: model.counts }
  }
}

/** As much of Web Locks as a tab uses. */
export class FakeLocks {
  #queues = new Map<string, (() => Promise<void>)[]>()

  request(name: string, { signal }: { signal: AbortSignal }, hold: () => Promise<void>): Promise<void> {
    const queue = this.#queues.get(name) ?? []
    this.#queues.set(name, queue)
    return new Promise((resolve, reject) => {
      const turn = () =>
        hold().then(() => {
          queue.shift()
          resolve()
          void queue[0]?.()
        })
      queue.push(turn)
      signal.addEventListener('abort', () => {
        // A lock that is held is let go by its holder, not by the signal.
        if (queue[0] === turn) return
        queue.splice(queue.indexOf(turn), 1)
        reject(new DOMException('left', 'AbortError'))
      })
      if (queue.length === 1) queueMicrotask(() => void turn())
    })
  }
}
