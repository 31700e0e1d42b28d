// The only place that speaks HTTP: the bearer token goes out, JSON or a Problem comes back, a dead session is reported.
import { lostCodes, type LostCode } from './types'

/** Long enough for a busy server's password hash, short enough that a dead network is noticed. */
const wait_ms_max = 20_000

/** An answer that is not 200 (RFC 9457), or none at all: then `code` is `unreachable` and `status` 0. */
export class Problem extends Error {
  constructor(
    readonly code: string,
    readonly status = 0,
    readonly detail = '',
    readonly field?: string,
    readonly retry_after_s?: number,
  ) {
    super(detail || code)
  }

  /** Whether what was asked may have been done all the same, so that the truth has to be read again. */
  get outcomeUnknown(): boolean {
    return this.code === 'unreachable' || this.code === 'unexpected' || this.code === 'storage_failed'
  }
}

/** Also one that came through the inbox's client, which has a class of its own. */
export function isProblem(reason: unknown): reason is Problem {
  return reason instanceof Error && 'code' in reason && 'outcomeUnknown' in reason
}

export interface Guard {
  token(): string | null
  lost(code: LostCode): void
}

let guard: Guard = { token: () => null, lost: () => {} }

/** Says where the token is, and whom to tell when the server no longer takes it. */
export function guardWith(next: Guard): void {
  guard = next
}

/** Requests that need a session. */
export const get = <T>(path: string) => ask<T>('GET', path, undefined, guard.token())
export const post = <T>(path: string, body?: object, headers?: Record<string, string>) =>
  ask<T>('POST', path, body, guard.token(), headers)
export const put = <T>(path: string, body: object) => ask<T>('PUT', path, body, guard.token())
export const remove = <T>(path: string) => ask<T>('DELETE', path, undefined, guard.token())

/** Requests of somebody who has no session yet: their 401 is about what was typed, never about a session. */
export const getOpen = <T>(path: string) => ask<T>('GET', path, undefined, null)
export const postOpen = <T>(path: string, body: object) => ask<T>('POST', path, body, null)

async function ask<T>(
  method: string,
  path: string,
  body: object | undefined,
  token: string | null,
  more: Record<string, string> = {},
): Promise<T> {
  const headers = new Headers({ Accept: 'application/json', ...more })
  if (token !== null) headers.set('Authorization', `Bearer ${token}`)
  if (body !== undefined) headers.set('Content-Type', 'application/json')
  let answer: Response
  let data: unknown
  try {
    const signal = AbortSignal.timeout(wait_ms_max)
    answer = await fetch(`/api/v1${path}`, {
      method,
      headers,
      body: JSON.stringify(body),
      signal,
      cache: 'no-store',
    })
    data = await answer.json().catch(() => null)
  } catch {
    throw new Problem('unreachable')
  }
  if (answer.ok && data !== null) return data as T
  const problem = read(answer, data)
  // A late answer to a token that was since replaced says nothing about the session we have now.
  if (token !== null && answer.status === 401 && isLost(problem.code) && guard.token() === token)
    guard.lost(problem.code)
  throw problem
}

function read(answer: Response, data: unknown): Problem {
  const told = typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : {}
  const text = (name: string) => (typeof told[name] === 'string' ? told[name] : undefined)
  const wait_s = Number(answer.headers.get('Retry-After') ?? Number.NaN)
  return new Problem(
    text('code') ?? 'unexpected',
    answer.status,
    text('detail') ?? text('title') ?? '',
    text('field'),
    wait_s >= 0 ? wait_s : undefined,
  )
}

function isLost(code: string): code is LostCode {
  return (lostCodes as readonly string[]).includes(code)
}
