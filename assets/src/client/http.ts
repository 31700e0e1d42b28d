// The only place of the client that speaks HTTP: the bearer token goes out, JSON or a Problem comes back.
import type { Credential } from './credential'
import { Problem } from './problem'

/** Long enough for a busy server, short enough that a dead network is noticed. */
const wait_ms_max = 20_000

export interface Http {
  ask<T>(method: string, path: string, body?: object): Promise<T>
}

export function http(server: string, credential: Credential): Http {
  async function ask<T>(method: string, path: string, body?: object): Promise<T> {
    const token = await credential.get()
    try {
      return await once<T>(method, path, body, token)
    } catch (error) {
      if (!(error instanceof Problem && error.status === 401 && credential.renewable)) throw error
      const fresh = await credential.renew(token)
      if (fresh === null) throw error
      return once<T>(method, path, body, fresh)
    }
  }

  async function once<T>(
    method: string,
    path: string,
    body: object | undefined,
    token: string | null,
  ): Promise<T> {
    const headers = new Headers({ Accept: 'application/json' })
    if (token !== null) headers.set('Authorization', `Bearer ${token}`)
    if (body) headers.set('Content-Type', 'application/json')
    let answer: Response
    let data: unknown
    try {
      answer = await fetch(`${server}/api/v1${path}`, {
        method,
        headers,
        body: body && JSON.stringify(body),
        signal: AbortSignal.timeout(wait_ms_max),
        cache: 'no-store',
        // What a member does by pressing a link must reach the server though the page is left.
        keepalive: method !== 'GET',
        credentials: 'omit',
      })
      data = await answer.json().catch(() => null)
    } catch {
      throw new Problem('unreachable')
    }
    if (answer.ok && data !== null) return data as T
    throw read(answer, data)
  }

  return { ask }
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
