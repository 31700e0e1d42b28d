// One client for each login; its words become the pages', and its end the session's.
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Client, Events, Item, State } from '../client/types'
import { useAccount } from './account'
import { useInbox } from './inbox'

/** A client in the test's own hand. */
class Fake {
  state = { connection: 'connecting', counts: null, inStepAt_ms: null } as State
  closed = false
  #watchers: ((state: State) => void)[] = []
  #ears = new Map<string, (event: unknown) => void>()

  subscribe = (watcher: (state: State) => void) => this.#watchers.push(watcher)
  on = (name: string, ear: (event: unknown) => void) => this.#ears.set(name, ear)
  close = () => (this.closed = true)
  retry = vi.fn()

  become(next: Partial<State>): void {
    this.state = { ...this.state, ...next }
    for (const watcher of this.#watchers) watcher(this.state)
  }
  tell<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    this.#ears.get(name)?.(event)
  }
}

const made = vi.hoisted(() => ({ clients: [] as unknown[], tokens: [] as unknown[] }))
vi.mock('../client', () => ({
  connect(options: { token: string }): Client {
    const client = new Fake()
    made.clients.push(client)
    made.tokens.push(options.token)
    return client as unknown as Client
  },
}))
const last = () => made.clients.at(-1) as Fake
const item = { title: 'Bob liked your post' } as Item

beforeEach(() => {
  setActivePinia(createPinia())
  made.clients.length = made.tokens.length = 0
  localStorage.setItem('bellrope.token', 'secret')
})
afterEach(() => vi.unstubAllGlobals())

test('a login opens one client with its token, the next login another', async () => {
  const inbox = useInbox()
  await inbox.start()
  const first = last()
  expect([made.tokens, first.closed]).toEqual([['secret'], false])
  await inbox.start()
  expect([made.clients.length, first.closed]).toEqual([2, true])
})

test('whoever logs out while the code is on its way gets no client', async () => {
  const inbox = useInbox()
  const started = inbox.start()
  inbox.stop()
  await started
  expect(made.clients).toEqual([])
})

test('how it stands, its counts and when it was in step', async () => {
  const inbox = useInbox()
  await inbox.start()
  expect([inbox.connection, inbox.counts, inbox.inStepAt]).toEqual([
    'connecting',
    { unread: 0, unseen: 0 },
    null,
  ])
  last().become({ connection: 'online', counts: { unread: 5, unseen: 2 }, inStepAt_ms: 1_000 })
  expect([inbox.connection, inbox.counts.unseen, inbox.inStepAt]).toEqual(['live', 2, new Date(1_000)])
  last().become({ connection: 'offline' })
  expect([inbox.connection, inbox.inStepAt]).toEqual(['offline', new Date(1_000)])
  inbox.retry()
  expect(last().retry).toHaveBeenCalledOnce()
})

test('what arrives is news, what is told on return is not', async () => {
  const inbox = useInbox()
  await inbox.start()
  last().tell('arrived', { item, replayed: true })
  expect(inbox.news).toBeNull()
  last().tell('arrived', { item, replayed: false })
  expect(inbox.news).toMatchObject({ title: item.title, passing: false })
  last().tell('transient', { item: { ...item, id: null, seq: null } })
  expect(inbox.news).toMatchObject({ passing: true })
})

test.each([
  ['expired', 'token_expired'],
  ['logged_out', 'elsewhere'],
  ['password_changed', 'token_revoked'],
] as const)('%s ends the session as %s', async (reason, lost) => {
  const account = useAccount()
  const inbox = useInbox()
  await inbox.start()
  last().tell('ended', { reason })
  expect([account.token, account.lost]).toEqual([null, lost])
})

test('why a token was not taken is asked over HTTP; if it is good, there is another try', async () => {
  const fetched = vi.fn(async () => new Response('{}'))
  vi.stubGlobal('fetch', fetched)
  const account = useAccount()
  const inbox = useInbox()
  await inbox.start()
  last().become({ connection: 'ended' })
  last().tell('ended', { reason: 'token_invalid' })
  await vi.waitFor(() => expect(fetched).toHaveBeenCalledOnce())
  expect([account.token, inbox.connection]).toEqual(['secret', 'refused'])
  inbox.retry()
  await vi.waitFor(() => expect(made.clients.length).toBe(2))
})
