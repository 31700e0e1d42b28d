// What the server says, as it says it (protocol, part 3). Times are RFC 3339 in UTC.

export type Role = 'member' | 'admin'

export interface User {
  id: string
  name: string
  role: Role
  age: number
  update_date: string | null
}

/** The answer to a login, a registration and a setup. */
export interface Login {
  token: string
  expires_at: string
  user: User
}

export interface Session {
  id: string
  created_at: string
  last_used_at: string
  expires_at: string
  address: string
  user_agent: string | null
  current: boolean
}

export const scopes = ['publish', 'presence', 'inbox', 'admin'] as const
export type Scope = (typeof scopes)[number]

export interface Key {
  id: string
  name: string
  scopes: Scope[]
  created_at: string
  last_used_at: string | null
}

/** What a publish came to, for one recipient. `seq` is null for what is pushed and not kept. */
export type Outcome =
  | { to: string; seq: number | null; unread: number; sockets: number }
  | { to: string; error: { code: string; detail?: string } }

export interface Receipt {
  id: string
  /** One for each recipient, or, where they are many, their sums. */
  results: Outcome[] | { delivered: number; sockets: number; errors: number }
  replayed: boolean
}

export interface Server {
  version: string
  registration: 'open' | 'closed'
}

/** An own account, as administrators see it. */
export interface Account {
  id: string
  name: string
  role: Role
  disabled: boolean
  created_at: string
}

/** A member, as administrators see one. */
export interface AboutUser {
  id: string
  /** False for whoever was forgotten and has not come back. */
  known: boolean
  account: Account | null
  sockets: number
  sessions: Session[]
  inbox: { epoch: string; seq: number; counts: { unread: number; unseen: number } }
  items: number
  signed_out_at: string | null
  /** The newest first. */
  trace: Trace[]
}

export interface Trace {
  seq: number
  at: string
  type: 'inbox.added' | 'inbox.updated' | 'inbox.removed' | 'inbox.state'
  ids: string[]
  kind: string | null
  through: number | null
  read: boolean | null
  seen: boolean | null
  archived: boolean | null
}

/** What a server counts. Totals begin at 0 with each start. */
export interface Statistics {
  time: string
  version: string
  started_at: string
  uptime_s: number
  /** Why changes are refused; null while they are kept. */
  unready: { code: string; detail: string } | null
  sockets: { member: number; anonymous: number }
  members_online: number
  totals: {
    publishes: number
    recipients: number
    kept: number
    deliveries: number
    inserts: number
    logins: number
    logins_failed: number
    slow_cut: number
  }
  answers: Record<string, number>
  refusals: Record<string, number>
  store: {
    waiting: number
    capacity: number
    file_bytes: number | null
    commits: { count: number; seconds: number; buckets: { up_to: number | null; count: number }[] }
  }
  process: {
    resident_bytes: number | null
    descriptors: number | null
    descriptors_max: number | null
    cpu_seconds: number
  }
  backup: { made_at: string | null; failing: boolean }
}

/** Every code a problem can carry; each has words in both languages (i18n.spec.ts sees to it). */
export const serverCodes = [
  'malformed',
  'token_missing',
  'token_invalid',
  'token_expired',
  'token_revoked',
  'login_failed',
  'scope_missing',
  'not_a_member',
  'not_an_account',
  'origin_refused',
  'registration_closed',
  'not_found',
  'exists',
  'in_flight',
  'too_large',
  'field_invalid',
  'idempotency_mismatch',
  'wrong_member',
  'muted',
  'too_many',
  'too_slow',
  'busy',
  'stopping',
  'storage_failed',
] as const

/** What goes wrong before any server has answered, or when something that is not Bellrope did. */
export const clientCodes = ['unreachable', 'unexpected'] as const

/** Why a session is no longer there. */
export const lostCodes = [
  'token_missing',
  'token_invalid',
  'token_expired',
  'token_revoked',
  'elsewhere',
] as const
export type LostCode = (typeof lostCodes)[number]

/** What to say of a session by the reason its sockets were given (`session.ended`). */
export function lostBy(reason: string): LostCode {
  return reason === 'expired' ? 'token_expired' : reason === 'logged_out' ? 'elsewhere' : 'token_revoked'
}
