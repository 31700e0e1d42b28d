// The member's token: in memory only, renewed by the page's callback, one call at a time.
import { Problem } from './problem'
import type { Options } from './types'

export interface Credential {
  /** The token of the moment, asked for if there is none; null when nobody is logged in. */
  get(): Promise<string | null>
  /** A token other than `stale`, or null as above. Rejects with a `Problem` when the callback fails. */
  renew(stale: string | null): Promise<string | null>
  readonly renewable: boolean
}

/** `lost` hears when the callback has no token any more, or one of somebody else: the member has left this browser. */
export function credential(
  options: Options,
  lost: (reason: 'logged_out' | 'wrong_member') => void,
): Credential {
  let current = options.token || null
  let asking: Promise<string | null> | null = null

  async function ask(): Promise<string | null> {
    const before = current
    try {
      current = (await options.tokenCallback?.()) || null
    } catch (error) {
      // The page could not reach its forum: that says nothing about who is logged in.
      throw new Problem('unreachable', 0, String(error))
    } finally {
      asking = null
    }
    if (before === null) return current
    if (current !== null && subject(current) === subject(before)) return current
    const reason = current === null ? 'logged_out' : 'wrong_member'
    current = null
    lost(reason)
    return null
  }

  const renew = async (stale: string | null) => (current !== stale ? current : (asking ??= ask()))
  return {
    get renewable() {
      return options.tokenCallback !== undefined
    },
    renew,
    get: async () => current ?? renew(null),
  }
}

/** Whose token it says it is, unverified: good for naming what tabs share, and for nothing else. */
export function subject(token: string): string | null {
  try {
    const part = token.split('.')[1] ?? ''
    const bytes = Uint8Array.from(atob(part.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0))
    const { sub } = JSON.parse(new TextDecoder().decode(bytes)) as { sub?: unknown }
    return typeof sub === 'string' && sub !== '' ? sub : null
  } catch {
    return null
  }
}
