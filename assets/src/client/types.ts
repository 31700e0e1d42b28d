// The public face of the inbox client: what a page, the bell and the web app may rely on. Wire shapes are as the server says.

// ---- What the server says ---------------------------------------------------------------------------------------

export interface Actor {
  id: string
  name: string | null
  /** Shown only when `safeUrl` lets it pass. */
  avatar: string | null
}

export interface Item {
  id: string
  /** The number of the add or fold that put the item where it is; lists are ordered by it, newest first. */
  seq: number
  /** The forum's own word, e.g. `like`. */
  kind: string
  title: string
  /** Plain text; may be empty. */
  body: string
  url: string | null
  actor: Actor | null
  object: { type: string; id: string } | null
  key: string | null
  group: string | null
  /** How many distinct actors (or parts without one) are folded into this item; 1 for most. */
  count: number
  /** The newest five of them, newest first. */
  actors: readonly Actor[]
  data: unknown
  /** RFC 3339, UTC. */
  created_at: string
  updated_at: string
  expires_at: string | null
  read: boolean
  archived: boolean
}

/** A push that is never kept: it has no place in the inbox, and belongs in a toast. */
export type TransientItem = Omit<Item, 'id' | 'seq'> & { id: string | null; seq: null }

export interface Counts {
  /** Neither read nor archived. */
  unread: number
  /** What the bell shows: the unread that came after the member last looked. */
  unseen: number
}

export interface Member {
  id: string
  name: string
  role: 'member' | 'admin'
  age: number
  update_date: string | null
}

export interface Preferences {
  muted: { kinds: string[]; groups: string[]; actors: string[] }
}

/** Which items a change is about: exactly one of these. `through` is inclusive. */
export type Selector =
  | { ids: readonly string[] }
  | { group: string }
  | { object: { type: string; id: string } }
  | { kind: string }
  | { through: number }
  | { all: true }

/** What a member may mute: every item of a kind, of one group (say, the likes of one post), or of one actor. */
export type Mute = { kind: string } | { group: string } | { actor: string }

/** Why a client is over. The first are the server's words; `logged_out` is also this browser's own logout. */
export type EndReason =
  | 'expired'
  | 'logged_out'
  | 'revoked'
  | 'password_changed'
  | 'account_disabled'
  | 'account_removed'
  | 'displaced'
  | 'signed_out'
  | 'left'
  /** There was no token to begin with; no connection was made. */
  | 'no_token'
  /** The server did not take the token. */
  | 'token_invalid'
  /** The page gave a token of somebody else while this client was open. */
  | 'wrong_member'

/** A refusal (RFC 9457), or no answer at all: then `code` is `unreachable` and `status` 0. Promises below reject with it. */
export interface Problem extends Error {
  readonly code: string
  readonly status: number
  readonly detail: string
  readonly field: string | undefined
  readonly retry_after_s: number | undefined
  /** Whether what was asked may have been done all the same. */
  readonly outcomeUnknown: boolean
}

// ---- What a page holds ------------------------------------------------------------------------------------------

export interface Options {
  /** The server's origin, e.g. `https://bell.example`. Default: where this script came from. */
  server?: string
  /** The member's token. Kept in memory only. */
  token?: string | null
  /**
   * Gives a fresh token: asked for one when `token` is missing, runs out or is refused. `null` means nobody is logged
   * in any more; the client then ends here and in the member's other tabs.
   */
  tokenCallback?: () => Promise<string | null>
}

export type Connection = 'connecting' | 'online' | 'offline' | 'ended'

/** A snapshot; a new object after every change, never altered in place. */
export interface State {
  connection: Connection
  /** Why, when `connection` is `ended`. */
  endReason: EndReason | null
  /** Null until the first `ready`, and again after the end. */
  member: Member | null
  /** The server's own numbers, newest wins; null until they are known. */
  counts: Counts | null
  /** When this client last knew itself in step with the server (ms since 1970); null when it never was. */
  inStepAt_ms: number | null
  /** Whether the last (re)connection was caught up from the log, or had to start afresh. */
  recovered: boolean
  /** The cursor: how far this client has heard. */
  seq: number
  /** Whether this tab holds the one socket of the browser. */
  leading: boolean
}

export interface Filter {
  /** `all`, the default, is everything not archived. */
  state?: 'all' | 'unread' | 'archived'
  kind?: string
}

export interface ListState {
  /** Newest first, with what the member did already shown. */
  items: readonly Item[]
  /** `loading` only while there is nothing to show yet; `failed` likewise: `problem` says why. */
  status: 'loading' | 'ready' | 'failed'
  problem: Problem | null
  /** Whether older items are left on the server. */
  more: boolean
  /** Whether `loadMore` is under way. */
  loadingMore: boolean
}

/** A part of the inbox that keeps itself in step: pages come by HTTP, changes by the socket. */
export interface List {
  readonly filter: Readonly<Filter>
  readonly state: ListState
  /** Called after every change with the new state; returns what undoes it. */
  subscribe(listener: (state: ListState) => void): () => void
  /** The next 20 older items. Rejects when refused; what is shown stays. */
  loadMore(): Promise<void>
  /** Loads the beginning again, e.g. after `failed`. Never rejects: the state says how it went. */
  reload(): Promise<void>
  close(): void
}

export interface Events {
  /**
   * Something arrived: a new item, or one more actor folded into a group. `replayed`: it came while this client was
   * away, and is told on return.
   */
  arrived: { item: Item; replayed: boolean }
  /** Comes and goes, is in no list. */
  transient: { item: TransientItem }
  /** The client is over; state and lists are empty. Told once. */
  ended: { reason: EndReason }
}

/**
 * One member's inbox in this tab. All tabs of one browser, server and member share one socket and stay in step.
 *
 * What changes the inbox shows at once and is taken back if refused: the promise then rejects with a `Problem`.
 */
export interface Client {
  readonly server: string
  readonly state: State
  /** Called after every change with the new state; returns what undoes it. */
  subscribe(listener: (state: State) => void): () => void
  on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): () => void

  /** Opens a list; it loads by itself as soon as the client is online, and lives until it is closed. */
  list(filter?: Filter): List

  read(selector: Selector): Promise<Counts>
  /** Leaves archived items alone. */
  unread(selector: Selector): Promise<Counts>
  /** Implies read. */
  archive(selector: Selector): Promise<Counts>
  /** The items are read and back in the inbox. */
  unarchive(selector: Selector): Promise<Counts>
  /** The member has looked. Asks the server only when something is unseen. */
  seen(): Promise<void>
  /** Removes one item for good. */
  remove(id: string): Promise<Counts>

  preferences(): Promise<Preferences>
  setPreferences(preferences: Preferences): Promise<Preferences>
  mute(what: Mute): Promise<Preferences>
  unmute(what: Mute): Promise<Preferences>

  /** Tries to connect now rather than at the next turn. */
  retry(): void
  /** Leaves, in this tab only. */
  close(): void
  /** Leaves and clears in every tab of this member. It does not end the token itself; that is the forum's. */
  logout(): void
}

export type Connect = (options: Options) => Client
/** The address if it is http, https or relative to the page; else null. For links and pictures that come from outside. */
export type SafeUrl = (url: string | null | undefined) => string | null
