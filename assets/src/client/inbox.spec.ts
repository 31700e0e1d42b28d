// The client as a whole: one tab and many, in step, cut off, refused, logged out.
import { BroadcastChannel } from 'node:worker_threads'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FakeLocks, Host } from './host'
import { client } from './inbox'
import type { Client, Events, List } from './types'

let host: Host
const open: Client[] = []
vi.mock('socket.io-client', () => ({ io: () => host.io() }))

const part = (claims: object) => btoa(JSON.stringify(claims)).replace(/=+$/, '')
const token = (sub: string, n = 1) => `${part({ alg: 'HS256' })}.${part({ sub, n })}.x`

beforeEach(() => {
  host = new Host()
  vi.stubGlobal('fetch', host.fetch)
  vi.stubGlobal('BroadcastChannel', BroadcastChannel)
  Object.defineProperty(navigator, 'locks', { value: new FakeLocks(), configurable: true })
})
afterEach(() => {
  for (const one of open.splice(0)) one.close()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

interface Tab {
  client: Client
  list: List
  arrived: string[]
  ended: string[]
}
function tab(options: Parameters<typeof client>[1] = { token: token('42') }): Tab {
  const made = client('https://bell.example', options)
  open.push(made)
  const one: Tab = { client: made, list: made.list(), arrived: [], ended: [] }
  made.on('arrived', ({ item, replayed }: Events['arrived']) =>
    one.arrived.push(replayed ? `${item.title}, late` : item.title),
  )
  made.on('ended', ({ reason }) => one.ended.push(reason))
  return one
}
const titles = ({ list }: Tab) => list.state.items.map(({ title, read }) => (read ? '' : '*') + title)
const shows = (one: Tab, wanted: string[]) => vi.waitFor(() => expect(titles(one)).toEqual(wanted))
const stands = (one: Tab, wanted: string) =>
  vi.waitFor(() => expect(one.client.state.connection).toBe(wanted), { timeout: 5_000 })

test('what is there is loaded, what comes is heard, and the counts are the server’s', async () => {
  host.model.publish({ title: 'One' })
  const ann = tab()
  await shows(ann, ['*One'])
  host.model.publish({ title: 'Two' })
  await shows(ann, ['*Two', '*One'])
  expect(ann.arrived).toEqual(['Two'])
  expect(ann.client.state.counts).toEqual({ unread: 2, unseen: 2 })
  expect(ann.client.state.member?.id).toBe('42')
  expect(ann.client.state.inStepAt_ms).toBeGreaterThan(0)
})

test('looking while the first page comes loses nothing', async () => {
  host.model.publish({ title: 'One' })
  const ann = tab()
  await stands(ann, 'online')
  let letGo = () => {}
  host.gate = new Promise((resolve) => (letGo = resolve))
  const looked = ann.client.seen()
  host.model.publish({ title: 'Two' })
  await vi.waitFor(() => expect(ann.client.state.seq).toBe(3))
  letGo()
  await looked
  await shows(ann, ['*Two', '*One'])
  expect(ann.client.state.seq).toBe(3)
  expect(ann.client.state.counts).toEqual({ unread: 2, unseen: 1 })
  const before = host.asked.length
  await ann.client.seen()
  await ann.client.seen()
  expect(host.asked.slice(before)).toEqual(['POST /inbox/seen'])
})

test('what is done shows at once; refused, it is taken back and says why', async () => {
  const { id } = host.model.publish({ title: 'One' })
  const ann = tab()
  await shows(ann, ['*One'])
  const done = ann.client.read({ ids: [id] })
  expect(titles(ann)).toEqual(['One'])
  expect(await done).toEqual({ unread: 0, unseen: 0 })
  await shows(ann, ['One'])

  host.refuse = { status: 503, code: 'busy' }
  const refused = ann.client.archive({ ids: [id] })
  expect(titles(ann)).toEqual([])
  await expect(refused).rejects.toMatchObject({ code: 'busy', status: 503 })
  expect(titles(ann)).toEqual(['One'])

  expect(await ann.client.remove(id)).toEqual({ unread: 0, unseen: 0 })
  await shows(ann, [])
})

test('older pages follow one another, and another list of the same inbox keeps its own', async () => {
  for (let n = 1; n <= 45; n++) host.model.publish({ title: `${n}` })
  const ann = tab()
  await vi.waitFor(() => expect(titles(ann)).toHaveLength(20))
  expect(ann.list.state.more).toBe(true)
  await ann.list.loadMore()
  await ann.list.loadMore()
  expect(titles(ann)).toEqual(Array.from({ length: 45 }, (_, n) => `*${45 - n}`))
  expect(ann.list.state.more).toBe(false)

  const archived = ann.client.list({ state: 'archived' })
  await vi.waitFor(() => expect(archived.state.status).toBe('ready'))
  expect(archived.state.items).toEqual([])
  // Of an item this list has never seen: it has to ask.
  host.model.act('archive', { ids: ['i1'] })
  await vi.waitFor(() => expect(archived.state.items.map(({ id }) => id)).toEqual(['i1']))
})

test('a hole in the news is filled before anything after it is believed', async () => {
  const ann = tab()
  await stands(ann, 'online')
  for (const socket of host.sockets) socket.deaf = true
  host.model.publish({ title: 'Lost' })
  for (const socket of host.sockets) socket.deaf = false
  host.model.publish({ title: 'Heard' })
  await shows(ann, ['*Heard', '*Lost'])
  expect(ann.arrived).toEqual(['Lost, late', 'Heard, late'])
})

test('away and back: once, in order; with a cursor of another database, afresh', async () => {
  host.model.publish({ title: 'One' })
  const ann = tab()
  await shows(ann, ['*One'])
  host.cut()
  await stands(ann, 'offline')
  for (const title of ['Two', 'Three']) host.model.publish({ title })
  await expect(ann.client.read({ all: true })).rejects.toMatchObject({ code: 'unreachable' })
  await shows(ann, ['*One'])
  host.up = true
  ann.client.retry()
  await shows(ann, ['*Three', '*Two', '*One'])
  expect(ann.arrived).toEqual(['Two, late', 'Three, late'])
  expect(ann.client.state.recovered).toBe(true)

  host.cut()
  await stands(ann, 'offline')
  host.model.epoch = 'e2'
  host.model.items = host.model.items.slice(0, 1)
  host.up = true
  ann.client.retry()
  await shows(ann, ['*One'])
  expect(ann.client.state.recovered).toBe(false)
  expect(ann.arrived).toHaveLength(2)
})

test('many tabs, one socket; a new leader goes on where the old one was', async () => {
  const tabs = [tab(), tab(), tab()] as const
  for (const one of tabs) await stands(one, 'online')
  expect(host.sockets.size).toBe(1)
  expect(tabs.map(({ client }) => client.state.leading)).toEqual([true, false, false])
  const { id } = host.model.publish({ title: 'One' })
  for (const one of tabs) await shows(one, ['*One'])
  await tabs[2].client.read({ ids: [id] })
  for (const one of tabs) await shows(one, ['One'])

  // One that comes later is told how things stand, though nothing happens.
  const late = tab()
  await shows(late, ['One'])
  expect(late.client.state).toMatchObject({ connection: 'online', leading: false, seq: 2 })
  late.client.close()

  tabs[0].client.close()
  host.model.publish({ title: 'Between' })
  await vi.waitFor(() => expect(tabs[1].client.state.leading).toBe(true))
  for (const one of tabs.slice(1)) await shows(one, ['*Between', 'One'])
  expect(host.sockets.size).toBe(1)
  expect(tabs[1].arrived).toEqual(['One', 'Between, late'])
  expect(tabs[0].client.state).toMatchObject({ connection: 'ended', counts: null, member: null })
})

test('two members of one browser share nothing', async () => {
  const ann = tab({ token: token('42') })
  const bob = tab({ token: token('43') })
  for (const one of [ann, bob]) await stands(one, 'online')
  expect(host.sockets.size).toBe(2)
  bob.client.logout()
  expect(bob.ended).toEqual(['logged_out'])
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(ann.client.state.connection).toBe('online')
})

test('a logout, or the server’s word, ends all tabs of the member', async () => {
  for (const [leave, reason] of [
    [(tabs: Tab[]) => tabs[1]?.client.logout(), 'logged_out'],
    [() => host.end('signed_out'), 'signed_out'],
  ] as const) {
    const tabs = [tab(), tab()]
    for (const one of tabs) await stands(one, 'online')
    leave(tabs)
    for (const one of tabs) {
      await stands(one, 'ended')
      expect(one.ended).toEqual([reason])
      expect(titles(one)).toEqual([])
    }
    expect(host.sockets.size).toBe(0)
  }
})

test('a socket the server closed for another comes back when somebody looks, and not before', async () => {
  const ann = tab()
  await stands(ann, 'online')
  vi.useFakeTimers({ shouldAdvanceTime: true })
  host.crowdOut()
  await stands(ann, 'offline')
  await vi.advanceTimersByTimeAsync(120_000)
  expect(host.sockets.size).toBe(0)
  expect(ann.ended).toEqual([])
  document.dispatchEvent(new Event('visibilitychange'))
  await stands(ann, 'online')
})

test('nobody logged in: no connection, no request', async () => {
  const nobody = tab({ tokenCallback: () => Promise.resolve(null) })
  await stands(nobody, 'ended')
  expect(nobody.ended).toEqual(['no_token'])
  const none = tab({ token: null })
  await stands(none, 'ended')
  expect(host.asked).toEqual([])
  expect(host.sockets.size).toBe(0)
})

test('a token that has run out is asked for once, also by many requests', async () => {
  const callback = vi.fn(() => Promise.resolve(token('42', 2)))
  const ann = tab({ token: token('42'), tokenCallback: callback })
  await stands(ann, 'online')
  host.stale.add(token('42'))
  host.model.publish({ title: 'One' })
  await Promise.all([ann.client.read({ all: true }), ann.client.seen()])
  expect(callback).toHaveBeenCalledTimes(1)
  host.end('expired')
  await vi.waitFor(() => expect(host.sockets.size).toBe(1))
  await stands(ann, 'online')
})

test('a token is renewed on the live socket before it ends', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  host.expires_at = new Date(Date.now() + 600_000).toISOString()
  const ann = tab({ token: token('42'), tokenCallback: () => Promise.resolve(token('42', 2)) })
  await vi.advanceTimersByTimeAsync(100)
  expect(ann.client.state.connection).toBe('online')
  await vi.advanceTimersByTimeAsync(530_000)
  expect(host.refreshed).toEqual([])
  await vi.advanceTimersByTimeAsync(15_000)
  expect(host.refreshed).toEqual([token('42', 2)])
  expect(host.sockets.size).toBe(1)
})

test('a callback that gives somebody else’s token, or none, ends the member here', async () => {
  for (const [fresh, reason] of [
    [token('43'), 'wrong_member'],
    [null, 'logged_out'],
  ] as const) {
    const ann = tab({ token: token('42'), tokenCallback: () => Promise.resolve(fresh) })
    const other = tab()
    for (const one of [ann, other]) await stands(one, 'online')
    host.end('expired')
    for (const one of [ann, other]) {
      await stands(one, 'ended')
      expect(one.ended).toEqual([reason])
    }
  }
})

test('a token that is refused ends this tab, and the reason is asked for', async () => {
  host.stale.add(token('42'))
  const ann = tab()
  await stands(ann, 'ended')
  expect(ann.ended).toEqual(['expired'])
  expect(host.asked).toEqual(['GET /me'])
})

test('without locks each tab has a socket of its own', async () => {
  Object.defineProperty(navigator, 'locks', { value: undefined, configurable: true })
  const tabs = [tab(), tab()]
  for (const one of tabs) await stands(one, 'online')
  expect(host.sockets.size).toBe(2)
})
