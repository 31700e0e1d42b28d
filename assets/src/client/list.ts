// One list of the inbox as it is shown: it loads its pages, and follows the log between them.
import { Problem } from './problem'
import { shown, type Log, type Page, type Pending } from './state'
import type { Filter, List, ListState } from './types'

const page_items = 20
/** The most the server gives at once; a longer list that has to be loaded again begins with so many. */
const page_items_max = 100
/** How often a page that was overtaken by too many changes is asked for again. */
const tries_max = 3

export interface Source {
  log(): Log
  pending(): readonly Pending[]
  page(filter: Filter, before: number | null, limit: number): Promise<Page>
  /** Takes a page into the log; false when it does not fit any more. */
  merge(page: Page): boolean
  offline(): boolean
}

export interface LiveList extends List {
  /** Something has changed: the log, what is pending, the connection. `again`: failures are worth another try. */
  follow(again: boolean): void
  clear(): void
}

export function list(filter: Filter, source: Source, onClose: (list: LiveList) => void): LiveList {
  const state = filter.state ?? 'all'
  const listeners = new Set<(state: ListState) => void>()
  let now: ListState = { items: [], status: 'loading', problem: null, more: false, loadingMore: false }
  /** Everything from this number on is loaded; null while nothing is. */
  let horizon: number | null = null
  /** Of which log what is shown is a part; of another one it stays as it is until it is loaded again. */
  let generation = -1
  /** What was asked for last, so that a failure is not repeated with every change. */
  let asked = ''
  let turn = 0
  let closed = false

  function become(next: Partial<ListState>): void {
    now = { ...now, ...next }
    for (const listener of [...listeners]) listener(now)
  }

  function recompute(next: Partial<ListState> = {}): void {
    const log = source.log()
    if (horizon !== null && generation === log.generation) {
      next = { ...next, items: shown(log, source.pending(), filter, horizon), more: horizon > 0 }
    }
    become(next)
  }

  const wanted = () => `${source.log().generation}:${source.log().holes[state]}`

  function follow(again: boolean): void {
    if (closed) return
    if (source.log().epoch === null) {
      if (horizon === null && source.offline())
        become({ status: 'failed', problem: new Problem('unreachable') })
    } else if (wanted() !== asked || (again && now.problem)) void reload()
    else recompute()
  }

  async function reload(): Promise<void> {
    const mine = ++turn
    asked = wanted()
    if (horizon === null) become({ status: 'loading', problem: null })
    const limit = Math.min(Math.max(now.items.length, page_items), page_items_max)
    try {
      const page = await take(null, limit)
      if (closed || mine !== turn) return
      horizon = page.next ?? 0
      generation = source.log().generation
      recompute({ status: 'ready', problem: null, loadingMore: false })
    } catch (error) {
      if (closed || mine !== turn) return
      become({ status: horizon === null ? 'failed' : 'ready', problem: error as Problem })
    }
  }

  async function take(before: number | null, limit: number): Promise<Page> {
    for (let tries = 0; tries < tries_max; tries++) {
      const page = await source.page(filter, before, limit)
      if (source.merge(page)) return page
    }
    throw new Problem('busy')
  }

  async function loadMore(): Promise<void> {
    const before = horizon
    if (now.loadingMore || before === null || before === 0) return
    const mine = turn
    become({ loadingMore: true })
    try {
      const page = await take(before, page_items)
      // Only what it continues: the beginning may have been loaded again meanwhile.
      if (mine === turn && before === horizon) horizon = page.next ?? 0
    } finally {
      if (!closed) recompute({ loadingMore: false })
    }
  }

  function clear(): void {
    turn += 1
    horizon = null
    asked = ''
    become({ items: [], status: 'loading', problem: null, more: false, loadingMore: false })
  }

  function close(): void {
    closed = true
    listeners.clear()
    onClose(self)
  }

  const self: LiveList = {
    filter,
    get state() {
      return now
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    loadMore,
    reload,
    follow,
    clear,
    close,
  }
  return self
}
