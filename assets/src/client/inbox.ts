// The client: one log per tab, fed by this tab's socket or by the tab that holds it, and what the member does to it.
import { credential as keep, subject } from './credential'
import { http } from './http'
import { open, type Line } from './line'
import { preferences } from './preference'
import { list as makeList, type LiveList, type Source } from './list'
import * as log_ from './state'
import { join, type Message, type Standing, type Tabs } from './tabs'
import type { Client, Counts, EndReason, Events, Filter, Member, Options, Selector, State } from './types'

/** What tabs share is named by this. Raised when `Message` changes: two versions of the script may be open at once. */
const shared = 'bellrope/1'
/** How long to wait before the page's token callback, which failed, is asked again. */
const start_ms = 5_000
/** A tab in front asks a leader that may sleep to try again: first after this, then less and less often. */
const nudge_ms_first = 2_000
const nudge_ms_max = 60_000

export function client(server: string, options: Options): Client {
  const credential = keep(options, leave)
  const web = http(server, credential)
  const self = Math.random().toString(36).slice(2)
  const lists = new Set<LiveList>()
  const ears: { [Name in keyof Events]: Set<(event: Events[Name]) => void> } = {
    arrived: new Set(),
    transient: new Set(),
    ended: new Set(),
  }
  const watchers = new Set<(state: State) => void>()

  let log = log_.nothing
  let pending: readonly log_.Pending[] = []
  let member: Member | null = null
  let standing: Standing = { connection: 'connecting', inStepAt_ms: null }
  let recovered = false
  let over = false
  let endReason: EndReason | null = null
  let tabs: Tabs | null = null
  let line: Line | null = null
  let starting: ReturnType<typeof setTimeout> | undefined
  let nudging: ReturnType<typeof setTimeout> | undefined
  let nudge_ms = nudge_ms_first
  let state = snapshot()

  function snapshot(): State {
    return {
      connection: over ? 'ended' : standing.connection,
      endReason,
      member,
      counts: log.counts,
      inStepAt_ms: standing.inStepAt_ms,
      recovered,
      seq: log.seq,
      leading: tabs?.leading ?? false,
    }
  }

  function changed(again = false): void {
    pending = pending.filter(({ done_at }) => done_at === null || done_at > log.seq)
    state = snapshot()
    for (const one of lists) one.follow(again)
    for (const watcher of [...watchers]) watcher(state)
  }

  function tell<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const ear of [...ears[name]]) ear(event)
  }

  // ---- Coming and going -----------------------------------------------------------------------------------------

  async function start(): Promise<void> {
    clearTimeout(starting)
    let token: string | null
    try {
      token = await credential.get()
    } catch {
      stand('offline')
      starting = setTimeout(start, start_ms)
      return
    }
    if (over || tabs) return
    if (token === null) return finish('no_token')
    const who = subject(token)
    tabs = join(who === null ? null : `${shared} ${server} ${who}`, { lead, hear })
    hello()
  }

  function lead(): void {
    line = open(server, credential, web, {
      cursor: () => log,
      change(change) {
        if (log_.place(log, change.seq) === 'gap') return false
        tabs?.tell({ type: 'change', change })
        take(change)
        return true
      },
      transient(item) {
        tabs?.tell({ type: 'transient', item })
        tell('transient', { item })
      },
      ready(ready, since) {
        tabs?.tell({ type: 'ready', since, ready })
        catchUp(ready)
      },
      alive: inStep,
      offline: () => stand('offline'),
      ended(reason, everywhere) {
        if (everywhere) leave(reason)
        else finish(reason)
      },
    })
    stand('connecting')
  }

  function hear(message: Message): void {
    if (message.type === 'ended') return finish(message.reason)
    if (tabs?.leading) {
      if (message.type === 'retry') line?.retry()
      else if (message.type === 'hello') answer(message)
    } else if (message.type === 'ready') {
      const { to, since, ready } = message
      if (to !== undefined && to !== self) return
      // What was broadcast goes on from where the leader was: whoever is not as far asks for the part between.
      if (ready.recovered && since > log.seq) hello()
      else catchUp(ready)
    } else if (message.type === 'change') {
      if (log_.place(log, message.change.seq) === 'gap') hello()
      else take(message.change)
    } else if (message.type === 'transient') tell('transient', { item: message.item })
    else if (message.type === 'standing') {
      standing = message.standing
      changed()
      nudge()
    }
  }

  const hello = () => tabs?.tell({ type: 'hello', from: self, epoch: log.epoch, seq: log.seq })

  function answer({ from, epoch, seq }: Message & { type: 'hello' }): void {
    const ready = member && log_.recall(log, member, epoch, seq)
    if (ready) tabs?.tell({ type: 'ready', to: from, since: seq, ready })
    tabs?.tell({ type: 'standing', standing })
  }

  function stand(connection: Standing['connection']): void {
    standing = { ...standing, connection }
    if (tabs?.leading) tabs.tell({ type: 'standing', standing })
    changed()
  }

  function inStep(): void {
    standing = { connection: 'online', inStepAt_ms: Date.now() }
    nudge_ms = nudge_ms_first
  }

  function nudge(): void {
    clearTimeout(nudging)
    if (over || standing.connection !== 'offline' || tabs?.leading || document.hidden) return
    nudging = setTimeout(() => {
      tabs?.tell({ type: 'retry' })
      nudge()
    }, nudge_ms)
    nudge_ms = Math.min(nudge_ms * 2, nudge_ms_max)
  }

  function retry(): void {
    if (over) return
    if (!tabs) void start()
    else if (line) line.retry()
    else tabs.tell({ type: 'retry' })
  }

  function look(): void {
    if (document.hidden || over) return
    if (standing.connection === 'offline') retry()
    // Whatever a sleeping tab may have missed.
    hello()
    changed()
  }

  /** Gives up socket and lock, so that another tab may have them, and the browser may keep this page for "back". */
  function rest(): void {
    clearTimeout(starting)
    clearTimeout(nudging)
    line?.close()
    tabs?.leave()
    line = tabs = null
  }

  /** The member is gone, from all tabs of this browser. */
  function leave(reason: EndReason): void {
    if (!over) tabs?.tell({ type: 'ended', reason })
    finish(reason)
  }

  function wake({ persisted }: PageTransitionEvent): void {
    if (persisted && !over) void start()
  }

  function finish(reason: EndReason | null): void {
    if (over) return
    over = true
    endReason = reason
    rest()
    removeEventListener('pagehide', rest)
    removeEventListener('pageshow', wake)
    document.removeEventListener('visibilitychange', look)
    log = log_.nothing
    pending = []
    member = null
    for (const one of lists) one.clear()
    changed()
    if (reason) tell('ended', { reason })
  }

  // ---- What happens to the inbox --------------------------------------------------------------------------------

  function take(change: log_.Change): void {
    if (log_.place(log, change.seq) !== 'next') return
    log = log_.advance(log, [change])
    inStep()
    changed()
    if (log_.arrives(change)) tell('arrived', { item: change.item, replayed: false })
  }

  function catchUp(ready: log_.Ready): void {
    const missed =
      ready.recovered && ready.epoch === log.epoch
        ? ready.changes.filter(({ seq }) => seq > log.seq).filter(log_.arrives)
        : []
    log = log_.begin(log, ready)
    recovered = ready.recovered
    member = ready.user
    inStep()
    changed(true)
    // What another device has read meanwhile need not be announced.
    for (const { item } of missed) if (!item.read) tell('arrived', { item, replayed: true })
  }

  // ---- What the member does -------------------------------------------------------------------------------------

  interface Answer {
    epoch: string
    seq: number
    counts: Counts
  }

  async function act(action: log_.Action, selector: Selector): Promise<Counts> {
    const mine: log_.Pending = { action, selector, through: log_.newest(log), done_at: null }
    const replace = (...by: log_.Pending[]) => (pending = [...pending.filter((one) => one !== mine), ...by])
    replace(mine)
    changed()
    try {
      const answer =
        action === 'remove' && 'ids' in selector
          ? await web.ask<Answer>('DELETE', `/inbox/${encodeURIComponent(selector.ids[0] ?? '')}`)
          : await web.ask<Answer>('POST', `/inbox/${action}`, selector)
      replace({ ...mine, done_at: answer.seq })
      log = log_.counted(log, answer)
      return answer.counts
    } catch (error) {
      replace()
      throw error
    } finally {
      changed()
    }
  }

  async function seen(): Promise<void> {
    if (!log.counts?.unseen) return
    const answer = await web.ask<Answer>('POST', '/inbox/seen', { through: log.seq })
    log = log_.counted(log, answer)
    changed()
  }

  const source: Source = {
    log: () => log,
    pending: () => pending,
    page(filter, before, limit) {
      const query = new URLSearchParams({ state: filter.state ?? 'all', limit: String(limit) })
      if (filter.kind !== undefined) query.set('kind', filter.kind)
      if (before !== null) query.set('before', String(before))
      return web.ask('GET', `/inbox?${query}`)
    },
    merge(page) {
      const merged = log_.merge(log, page)
      if (!merged) return false
      log = merged
      changed()
      return true
    },
    offline: () => standing.connection === 'offline',
  }

  function list(filter: Filter = {}): LiveList {
    const made = makeList(filter, source, (one) => lists.delete(one))
    lists.add(made)
    // After the caller has subscribed.
    queueMicrotask(() => made.follow(false))
    return made
  }

  function listen<T>(to: Set<(event: T) => void>, listener: (event: T) => void): () => void {
    to.add(listener)
    return () => to.delete(listener)
  }

  addEventListener('pagehide', rest)
  addEventListener('pageshow', wake)
  document.addEventListener('visibilitychange', look)
  // After the caller has subscribed.
  queueMicrotask(() => void start())

  return {
    server,
    get state() {
      return state
    },
    subscribe: (listener) => listen(watchers, listener),
    on: (name, listener) => listen(ears[name], listener),
    list,
    read: (selector) => act('read', selector),
    unread: (selector) => act('unread', selector),
    archive: (selector) => act('archive', selector),
    unarchive: (selector) => act('unarchive', selector),
    remove: (id) => act('remove', { ids: [id] }),
    seen,
    ...preferences(web),
    retry,
    close: () => finish(null),
    logout: () => leave('logged_out'),
  }
}
