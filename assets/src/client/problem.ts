// A refusal in the server's own code (RFC 9457), or `unreachable` when no answer came at all.
import type { Problem as Face } from './types'

export class Problem extends Error implements Face {
  constructor(
    readonly code: string,
    readonly status = 0,
    readonly detail = '',
    readonly field: string | undefined = undefined,
    readonly retry_after_s: number | undefined = undefined,
  ) {
    super(detail || code)
    this.name = 'Problem'
  }

  get outcomeUnknown(): boolean {
    return this.code === 'unreachable' || this.code === 'unexpected' || this.code === 'storage_failed'
  }
}
