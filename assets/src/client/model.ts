// For the tests: a member's inbox as the server keeps it (protocol, part 4), as a plain list and without a database.
import type { Change, Page, Ready } from './state'
import type { Counts, Filter, Item, Member, Selector } from './types'
import { selects, type Action } from './state'

export interface Draft {
  kind?: string
  title?: string
  body?: string
  url?: string | null
  actor?: Item['actor']
  object?: Item['object']
  key?: string | null
  group?: string | null
}

export class Model {
  seq = 0
  seen = 0
  items: Item[] = []
  log: Change[] = []
  epoch = 'e1'
  member: Member = { id: '42', name: 'Ann', role: 'member', age: 0, update_date: null }
  hear: (change: Change) => void = () => {}
  #next_id = 1

  get counts(): Counts {
    const unread = this.items.filter((item) => !item.read && !item.archived)
    return { unread: unread.length, unseen: unread.filter((item) => item.seq > this.seen).length }
  }

  publish(draft: Draft): Item {
    const { group = null, actor = null } = draft
    const at = new Date().toISOString()
    const open = this.items.find(
      (item) => group !== null && item.group === group && !item.read && !item.archived,
    )
    const seq = this.seq + 1
    if (open) {
      const actors = [actor, ...open.actors.filter(({ id }) => id !== actor?.id)].filter(
        (one) => one !== null,
      )
      const known = open.actors.some(({ id }) => id === actor?.id)
      const folded = {
        ...open,
        seq,
        title: draft.title ?? open.title,
        actor,
        actors: actors.slice(0, 5),
        count: open.count + (known ? 0 : 1),
        updated_at: at,
      }
      this.#put(folded)
      this.#tell({ type: 'inbox.updated', seq, item: folded })
      return folded
    }
    const item: Item = {
      id: `i${this.#next_id++}`,
      seq,
      kind: draft.kind ?? 'like',
      title: draft.title ?? `Notification ${seq}`,
      body: draft.body ?? '',
      url: draft.url ?? null,
      actor,
      object: draft.object ?? null,
      key: draft.key ?? null,
      group,
      count: 1,
      actors: actor ? [actor] : [],
      data: null,
      created_at: at,
      updated_at: at,
      expires_at: null,
      read: false,
      archived: false,
    }
    this.items.push(item)
    this.#tell({ type: 'inbox.added', seq, item })
    return item
  }

  /** An edit in place: same id, place and state. */
  edit(id: string, title: string): void {
    const item = this.items.find((one) => one.id === id)
    if (!item || item.title === title) return
    const edited = { ...item, title }
    this.#put(edited)
    this.#tell({ type: 'inbox.updated', seq: this.seq + 1, item: edited })
  }

  act(action: Action, selector: Selector): void {
    const seq = this.seq + 1
    const chosen = this.items.filter((item) => selects(selector, item) && this.#changes(action, item))
    if (chosen.length === 0) return
    const ids = chosen.map(({ id }) => id)
    if (action === 'remove') {
      this.items = this.items.filter((item) => !chosen.includes(item))
      return this.#tell({ type: 'inbox.removed', seq, ids })
    }
    const state = {
      read: { read: true },
      unread: { read: false },
      archive: { read: true, archived: true },
      unarchive: { archived: false },
    }[action]
    for (const item of chosen) this.#put({ ...item, ...state, ...(action === 'unarchive' && { read: true }) })
    const which =
      'all' in selector
        ? { through: seq - 1 }
        : 'through' in selector
          ? { through: selector.through }
          : { ids }
    this.#tell({ type: 'inbox.state', seq, ...which, ...state })
  }

  look(through: number): void {
    const to = Math.min(through, this.seq)
    if (to <= this.seen) return
    this.seen = to
    this.#tell({ type: 'inbox.state', seq: this.seq + 1, through: to, seen: true })
  }

  page({ state = 'all', kind }: Filter, before: number | null, limit: number): Page {
    const wanted = this.items
      .filter((item) => (state === 'archived' ? item.archived : !item.archived))
      .filter((item) => (state !== 'unread' || !item.read) && (kind === undefined || item.kind === kind))
      .filter((item) => before === null || item.seq < before)
      .sort((a, b) => b.seq - a.seq)
    const items = wanted.slice(0, limit)
    const next = wanted.length > limit ? (items.at(-1)?.seq ?? null) : null
    return { items, counts: this.counts, epoch: this.epoch, seq: this.seq, next }
  }

  ready(epoch: string | null, since: number): Ready {
    const recovered = epoch === this.epoch && since <= this.seq
    const changes = recovered ? this.log.filter(({ seq }) => seq > since).map((one) => this.#asNow(one)) : []
    return {
      user: this.member,
      epoch: this.epoch,
      seq: this.seq,
      counts: this.counts,
      recovered,
      changes,
      expires_at: null,
    }
  }

  /** A replay has items as they are now; one that has gone is removed. */
  #asNow({ counts: _, ...change }: Change): Change {
    if (!('item' in change)) return change as Change
    const item = this.items.find(({ id }) => id === change.item.id)
    return item
      ? ({ ...change, item } as Change)
      : { type: 'inbox.removed', seq: change.seq, ids: [change.item.id] }
  }

  #changes(action: Action, item: Item): boolean {
    if (action === 'read') return !item.read && !item.archived
    if (action === 'unread') return item.read && !item.archived
    if (action === 'archive') return !item.archived
    return action === 'remove' || item.archived
  }

  #put(item: Item): void {
    this.items = this.items.map((one) => (one.id === item.id ? item : one))
  }

  #tell(change: Change): void {
    this.seq = change.seq
    const told = { ...change, counts: this.counts }
    this.log.push(told)
    this.hear(told)
  }
}
