// Whatever happens to an inbox, and however the news of it comes, a client ends with what the server has.
import { describe, expect, test } from 'vitest'
import { Model } from './model'
import {
  advance,
  arrives,
  begin,
  counted,
  merge,
  newest,
  nothing,
  place,
  recall,
  shown,
  type Action,
  type Change,
  type Log,
} from './state'
import type { Filter, Selector } from './types'

/** A generator of its own, so that a failure can be repeated by its seed. */
function dice(seed: number) {
  let state = seed
  const below = (n: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
  return { below, one: <T>(from: readonly T[]): T => from[below(from.length)] as T }
}

const actions: Action[] = ['read', 'unread', 'archive', 'unarchive', 'remove']
const states = ['all', 'unread', 'archived'] as const

function somethingHappens(model: Model, { below, one }: ReturnType<typeof dice>): void {
  const dart = below(10)
  const item = model.items[below(model.items.length || 1)]
  if (dart < 3 || !item) {
    const actor = { id: String(below(6)), name: null, avatar: null }
    const group = below(2) ? `g${below(3)}` : null
    model.publish({ kind: one(['like', 'reply']), group, actor })
  } else if (dart === 3) model.edit(item.id, `edited ${below(100)}`)
  else if (dart === 4) model.look(below(model.seq + 2))
  else {
    const selectors: Selector[] = [
      { ids: [item.id] },
      { ids: [item.id, 'gone'] },
      { kind: item.kind },
      { through: below(model.seq + 2) },
      ...(item.group === null ? [] : [{ group: item.group }]),
    ]
    const action = one(actions)
    model.act(action, action === 'remove' ? { ids: [item.id] } : one([...selectors, { all: true } as const]))
  }
}

/** What a client that has loaded everything above `horizon` shows must be what the server has there. */
function expectSame(log: Log, model: Model, filter: Filter, horizon: number): void {
  const wanted = model.page(filter, null, 10_000).items.filter(({ seq }) => seq >= horizon)
  expect(shown(log, [], filter, horizon)).toEqual(wanted)
}

describe.each(Array.from({ length: 300 }, (_, seed) => seed))('seed %i', (seed) => {
  test('pages, changes, gaps and reconnects in any order come to the same', () => {
    const random = dice(seed + 1)
    const model = new Model()
    const wire: Change[] = []
    model.hear = (change) => wire.push(change)
    for (let i = random.below(60); i > 0; i--) somethingHappens(model, random)
    wire.length = 0
    let log = begin(nothing, model.ready(null, 0))
    const filter: Filter = { state: random.one(states), ...(random.below(3) === 0 && { kind: 'like' }) }
    const state = filter.state ?? 'all'
    let horizon: number | null = null
    let holes = log.holes[state]
    const answers: (() => void)[] = []
    let asked = false
    let loads = 0

    /** Asks for a page now; the answer comes whenever it comes. */
    function load(before: number | null): void {
      const page = model.page(filter, before, 1 + random.below(12))
      const holes_then = log.holes[state]
      const generation = log.generation
      asked ||= before === null
      if (before === null) loads += 1
      const mine = loads
      answers.push(() => {
        if (mine !== loads) return
        if (before === null) asked = false
        const merged = merge(log, page)
        if (!merged || generation !== log.generation || (before !== null && before !== horizon)) return
        log = merged
        horizon = page.next ?? 0
        if (before === null) holes = holes_then
      })
    }
    const hear = () => {
      const change = wire.shift()
      if (change && place(log, change.seq) === 'next') log = advance(log, [change])
    }
    /** A list that has nothing yet, or was told of a hole, asks again. */
    const follow = () => {
      if (!asked && (horizon === null || holes !== log.holes[state])) load(null)
    }

    for (let turn = 0; turn < 200; turn++) {
      follow()
      const dart = random.below(20)
      if (dart < 8) somethingHappens(model, random)
      else if (dart < 15) hear()
      else if (dart === 15) load(horizon)
      else if (dart < 19) answers.splice(random.below(answers.length), 1)[0]?.()
      else if (random.below(3) === 0) {
        // The line breaks, with some of the news on it; the cursor is good, or was of another database.
        wire.length = 0
        const generation = log.generation
        log = begin(log, model.ready(random.below(4) ? log.epoch : 'e0', log.seq))
        if (log.generation !== generation) horizon = null
      }
      if (log.counts_as_of === model.seq) expect(log.counts).toEqual(model.counts)
    }

    // All is told in the end, in whichever order.
    follow()
    while (wire.length > 0 || answers.length > 0) {
      if (wire.length > 0 && random.below(2)) hear()
      else answers.splice(random.below(answers.length), 1)[0]?.()
      follow()
    }
    expect(log.seq).toBe(model.seq)
    expect(log.counts).toEqual(model.counts)
    expectSame(log, model, filter, horizon ?? 0)
  })

  test('a tab that hears another tab is where a tab with a socket is', () => {
    const random = dice(seed + 1000)
    const model = new Model()
    let leader = begin(nothing, model.ready(null, 0))
    let follower = leader
    const arrived: string[] = []
    model.hear = (change) => {
      leader = advance(leader, [change])
      // Some news never reach it; the next it hears shows the gap, and it asks.
      if (random.below(4) === 0) return
      if (place(follower, change.seq) === 'gap') {
        const told = recall(leader, model.member, follower.epoch, follower.seq)!
        arrived.push(...told.changes.filter(arrives).map(({ item }) => `${item.id}@${item.seq}`))
        follower = begin(follower, told)
      } else {
        follower = advance(follower, [change])
        if (arrives(change)) arrived.push(`${change.item.id}@${change.item.seq}`)
      }
    }
    for (let turn = 0; turn < 200; turn++) somethingHappens(model, random)
    follower = begin(follower, recall(leader, model.member, follower.epoch, follower.seq)!)
    expect(shown(follower, [], {}, 0)).toEqual(shown(leader, [], {}, 0))
    expectSame(leader, model, {}, 0)
    expect(follower.counts).toEqual(model.counts)
    expect(new Set(arrived).size).toBe(arrived.length)
  })
})

test('what is being done shows at once, but not on what arrives meanwhile', () => {
  const model = new Model()
  for (const kind of ['like', 'reply', 'like']) model.publish({ kind })
  const log = begin(nothing, model.ready(null, 0))
  const merged = merge(log, model.page({}, null, 20))!
  const pending = [
    { action: 'read' as const, selector: { all: true as const }, through: newest(merged), done_at: null },
    { action: 'archive' as const, selector: { kind: 'reply' }, through: newest(merged), done_at: null },
  ]
  model.hear = () => {}
  model.publish({ kind: 'reply' })
  const later = advance(merged, model.log.slice(-1))
  expect(shown(later, pending, {}, 0).map(({ kind, read }) => [kind, read])).toEqual([
    ['reply', false],
    ['like', true],
    ['like', true],
  ])
  expect(shown(later, pending, { state: 'archived' }, 0).map(({ id }) => id)).toEqual(['i2'])
  expect(shown(later, pending, { state: 'unread' }, 0)).toHaveLength(1)
  expect(shown(later, [], { state: 'unread' }, 0)).toHaveLength(4)
})

test('the newest counts win, whichever way they come, and none of another epoch', () => {
  const model = new Model()
  model.publish({})
  const log = begin(nothing, model.ready(null, 0))
  const later = counted(log, { epoch: 'e1', seq: 9, counts: { unread: 9, unseen: 9 } })
  expect(later.counts?.unread).toBe(9)
  expect(counted(later, { epoch: 'e1', seq: 8, counts: { unread: 1, unseen: 1 } }).counts?.unread).toBe(9)
  expect(counted(later, { epoch: 'e2', seq: 99, counts: { unread: 1, unseen: 1 } }).counts?.unread).toBe(9)
})

test('a page that is older than what is remembered is refused', () => {
  const model = new Model()
  let log = begin(nothing, model.ready(null, 0))
  const page = model.page({}, null, 20)
  for (let n = 0; n < 300; n++) model.publish({})
  log = advance(log, model.log)
  expect(merge(log, page)).toBeNull()
  expect(merge(log, { ...model.page({}, null, 20), epoch: 'e2' })).toBeNull()
  expect(recall(log, model.member, 'e1', 0)?.recovered).toBe(false)
  expect(recall(log, model.member, 'e1', 299)?.changes.map(({ seq }) => seq)).toEqual([300])
})

test('a change that a page already has is not done to it again', () => {
  const model = new Model()
  for (const kind of ['like', 'reply']) model.publish({ kind })
  model.act('archive', { ids: ['i1'] })
  let log = begin(nothing, model.ready(null, 0))
  const before = model.log.length
  // While i1 is in the archive this passes it by; done late, after the page, it would make it unread.
  model.act('read', { all: true })
  model.act('unread', { all: true })
  model.act('unarchive', { ids: ['i1'] })
  for (const title of ['one', 'two']) model.edit('i1', title)
  model.act('remove', { ids: ['i2'] })
  log = merge(log, model.page({}, null, 20))!
  for (const change of model.log.slice(before)) {
    log = advance(log, [change])
    expectSame(log, model, {}, 0)
  }
})

test('an older page does not undo what a newer one told', () => {
  const model = new Model()
  model.publish({})
  const log = begin(nothing, model.ready(null, 0))
  const older = model.page({}, null, 20)
  model.act('read', { all: true })
  const newer = model.page({}, null, 20)
  expectSame(merge(merge(log, newer)!, older)!, model, {}, 0)
})
