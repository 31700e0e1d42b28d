// What one tab knows of a member's inbox, and how each change alters it. Pure: no clock, no network, nothing altered in place.
//
// Two sources meet here: changes, numbered by `seq`, and pages, which say how the inbox stood at one `seq`. Each entry knows
// as of which number it is true, so a change is applied once to each entry, whichever of the two came first.
import type { Counts, Filter, Item, Member, Selector } from './types'

export type Change =
  | { type: 'inbox.added' | 'inbox.updated'; seq: number; item: Item; counts?: Counts }
  | { type: 'inbox.removed'; seq: number; ids: readonly string[]; counts?: Counts }
  | StateChange
export interface StateChange {
  type: 'inbox.state'
  seq: number
  ids?: readonly string[]
  through?: number
  read?: boolean
  archived?: boolean
  seen?: boolean
  counts?: Counts
}

/** What the server says on connection, and in answer to `inbox.sync`. */
export interface Ready {
  user: Member
  epoch: string
  seq: number
  counts: Counts
  recovered: boolean
  changes: readonly Change[]
  expires_at: string | null
}

export interface Page {
  items: readonly Item[]
  counts: Counts
  epoch: string
  seq: number
  next: number | null
}

export interface Entry {
  item: Item
  as_of: number
}

export interface Log {
  epoch: string | null
  /** All changes up to this one are in. */
  seq: number
  counts: Counts | null
  counts_as_of: number
  entries: ReadonlyMap<string, Entry>
  /** The last changes, `(recent_after, seq]`: for pages that are a little older than we are, and for other tabs. */
  recent: readonly Change[]
  recent_after: number
  /** Raised when the log starts afresh: whatever was loaded before is no longer kept in step. */
  generation: number
  /** For each state, how often a change let an item in that we do not know; such a list must be loaded again. */
  holes: Readonly<Record<NonNullable<Filter['state']>, number>>
}

/** Enough for a burst while a page is under way; a client that lags further loads the page again. */
const recent_max = 256

export const nothing: Log = {
  epoch: null,
  seq: 0,
  counts: null,
  counts_as_of: 0,
  entries: new Map(),
  recent: [],
  recent_after: 0,
  generation: 0,
  holes: { all: 0, unread: 0, archived: 0 },
}

/** `next` is to be applied, `old` has been, and between here and a `gap` something is missing. */
export function place(log: Log, seq: number): 'next' | 'old' | 'gap' {
  return seq <= log.seq ? 'old' : seq === log.seq + 1 ? 'next' : 'gap'
}

/** Whether the change put its item where it is: an add or a fold, not an edit, and not one that a later change has moved. */
export function arrives(change: Change): change is Change & { item: Item } {
  return 'item' in change && change.item.seq === change.seq
}

export function begin(log: Log, ready: Ready): Log {
  const caughtUp = ready.recovered && ready.epoch === log.epoch
  const base: Log = caughtUp
    ? advance(log, ready.changes)
    : { ...nothing, holes: log.holes, generation: log.generation + 1, recent_after: ready.seq }
  return counted({ ...base, epoch: ready.epoch, seq: Math.max(base.seq, ready.seq) }, ready)
}

/** What another tab that is at `epoch` and `seq` has to be told; null when it knows more than we do. */
export function recall(log: Log, user: Member, epoch: string | null, seq: number): Ready | null {
  if (log.epoch === null || !log.counts) return null
  if (epoch === log.epoch && seq > log.seq) return null
  const recovered = epoch === log.epoch && seq >= log.recent_after
  const changes = recovered ? log.recent.filter((change) => change.seq > seq) : []
  return { user, epoch: log.epoch, seq: log.seq, counts: log.counts, recovered, changes, expires_at: null }
}

/** The highest number among what is known: pages may be ahead of the changes. */
export function newest(log: Log): number {
  return [...log.entries.values()].reduce((most, { item }) => Math.max(most, item.seq), log.seq)
}

/** Applies changes, oldest first; those that are in already are passed over. */
export function advance(log: Log, changes: readonly Change[]): Log {
  const fresh = changes.filter((change) => change.seq > log.seq)
  const last = fresh.at(-1)
  if (!last) return log
  const entries = new Map(log.entries)
  const holes = { ...log.holes }
  for (const change of fresh) apply(entries, holes, change)
  const all = [...log.recent, ...fresh]
  const dropped = all.splice(0, Math.max(0, all.length - recent_max)).at(-1)
  const next = {
    ...log,
    seq: last.seq,
    entries,
    holes,
    recent: all,
    recent_after: dropped?.seq ?? log.recent_after,
  }
  return last.counts ? counted(next, { epoch: log.epoch, seq: last.seq, counts: last.counts }) : next
}

/** Takes over counts, unless newer ones are known. */
export function counted(log: Log, told: { epoch: string | null; seq: number; counts: Counts }): Log {
  if (told.epoch !== log.epoch || told.seq < log.counts_as_of) return log
  return { ...log, counts: told.counts, counts_as_of: told.seq }
}

/** Takes in a page; null when it is of another epoch, or so old that what happened since is no longer known. */
export function merge(log: Log, page: Page): Log | null {
  if (page.epoch !== log.epoch || page.seq < log.recent_after) return null
  const entries = new Map(log.entries)
  for (const item of page.items) {
    const known = entries.get(item.id)
    // What is here is true up to `log.seq`, or later if a page said so.
    if (known && Math.max(known.as_of, log.seq) > page.seq) continue
    entries.set(item.id, { item, as_of: page.seq })
  }
  // The holes of these changes were counted when they came.
  const counted_before = { ...log.holes }
  for (const change of log.recent) if (change.seq > page.seq) apply(entries, counted_before, change)
  return counted({ ...log, entries }, page)
}

function apply(entries: Map<string, Entry>, holes: Record<keyof Log['holes'], number>, change: Change): void {
  const { seq } = change
  if (change.type === 'inbox.removed') {
    for (const id of change.ids) entries.delete(id)
  } else if (change.type === 'inbox.state') {
    for (const { item, as_of } of concerned(entries, change)) {
      if (as_of < seq) entries.set(item.id, { item: become(item, change), as_of: seq })
    }
    // An item that is not loaded may belong in a list now: into which, the change itself says.
    if (change.through === undefined && change.ids?.every((id) => entries.has(id))) return
    if (change.archived === true) holes.archived += 1
    else if (change.archived === false) holes.all += 1
    else if (change.read === false) holes.unread += 1
  } else if ((entries.get(change.item.id)?.as_of ?? 0) < seq) {
    entries.set(change.item.id, { item: change.item, as_of: seq })
  }
}

function concerned(entries: Map<string, Entry>, { ids, through }: StateChange): Entry[] {
  if (ids) return ids.flatMap((id) => entries.get(id) ?? [])
  return [...entries.values()].filter(({ item }) => item.seq <= (through ?? 0))
}

function become(item: Item, { read, archived }: StateChange): Item {
  if (archived === true) return { ...item, archived: true, read: true }
  // What was archived was read, and comes back so.
  if (archived === false) return { ...item, archived: false }
  if (read === undefined || (item.archived && !read)) return item
  return { ...item, read }
}

// ---- What a list shows ------------------------------------------------------------------------------------------

export type Action = 'read' | 'unread' | 'archive' | 'unarchive' | 'remove'

/** Something the member did that the log does not show yet. */
export interface Pending {
  action: Action
  selector: Selector
  /** What arrives after it was done is not meant. */
  through: number
  /** The answer's number, once there is one: from there on the log itself shows it. */
  done_at: number | null
}

export function shown(
  log: Log,
  pending: readonly Pending[],
  { state = 'all', kind }: Filter,
  horizon: number,
): Item[] {
  const items: Item[] = []
  for (const entry of log.entries.values()) {
    if (entry.item.seq < horizon || (kind !== undefined && entry.item.kind !== kind)) continue
    const item = pending.reduce<Item | null>(foresee, entry.item)
    if (item && belongs(item, state)) items.push(item)
  }
  return items.sort((a, b) => b.seq - a.seq)
}

function belongs(item: Item, state: NonNullable<Filter['state']>): boolean {
  if (state === 'archived') return item.archived
  return !item.archived && (state === 'all' || !item.read)
}

function foresee(item: Item | null, { action, selector, through }: Pending): Item | null {
  if (!item || item.seq > through || !selects(selector, item)) return item
  const seq = item.seq
  switch (action) {
    case 'remove':
      return null
    case 'archive':
    case 'unarchive':
      return become(item, { type: 'inbox.state', seq, archived: action === 'archive' })
    default:
      return become(item, { type: 'inbox.state', seq, read: action === 'read' })
  }
}

export function selects(selector: Selector, item: Item): boolean {
  if ('ids' in selector) return selector.ids.includes(item.id)
  if ('group' in selector) return item.group === selector.group
  if ('kind' in selector) return item.kind === selector.kind
  if ('through' in selector) return item.seq <= selector.through
  if ('object' in selector)
    return item.object?.type === selector.object.type && item.object.id === selector.object.id
  return true
}
