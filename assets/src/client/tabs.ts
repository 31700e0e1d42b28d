// The tabs of one browser, server and member: one of them leads and holds the socket, the others hear what it hears.
//
// A lock elects the leader, because the browser hands it on whichever way a tab goes away, crashes included. Its name, and
// the channel's, holds server and member, so that two members in two tabs never meet.
import type { Change, Ready } from './state'
import type { Connection, EndReason, TransientItem } from './types'

export interface Standing {
  connection: Exclude<Connection, 'ended'>
  inStepAt_ms: number | null
}

export type Message =
  /** From a tab that leads not: where it is. The leader answers with `ready`. */
  | { type: 'hello'; from: string; epoch: string | null; seq: number }
  /** `to` one tab, or to all; it continues what was known at `since`. */
  | { type: 'ready'; to?: string; since: number; ready: Ready }
  | { type: 'change'; change: Change }
  | { type: 'transient'; item: TransientItem }
  | { type: 'standing'; standing: Standing }
  /** A tab in front asks the leader to connect now: a leader in the background has slow timers. */
  | { type: 'retry' }
  | { type: 'ended'; reason: EndReason }

export interface Tabs {
  readonly leading: boolean
  tell(message: Message): void
  leave(): void
}

/** `name` null: this tab shares with nobody, and leads at once. */
export function join(name: string | null, on: { lead(): void; hear(message: Message): void }): Tabs {
  const left = new AbortController()
  let channel: BroadcastChannel | null = null
  let leading = false
  let release = () => {}

  function lead(): void {
    if (left.signal.aborted) return
    leading = true
    on.lead()
  }

  function alone(): void {
    channel?.close()
    channel = null
    // Not before the caller has what this function returns.
    queueMicrotask(lead)
  }

  try {
    if (name === null || !navigator.locks) throw new Error('nothing to share by')
    channel = new BroadcastChannel(name)
    channel.onmessage = ({ data }: MessageEvent<Message>) => left.signal.aborted || on.hear(data)
    navigator.locks
      .request(name, { signal: left.signal }, () => {
        lead()
        return new Promise<void>((resolve) => (release = resolve))
      })
      // A sandboxed page has the functions but not the right to use them.
      .catch(() => leading || left.signal.aborted || alone())
  } catch {
    alone()
  }

  return {
    get leading() {
      return leading
    },
    tell: (message) => channel?.postMessage(message),
    leave() {
      leading = false
      left.abort()
      release()
      channel?.close()
    },
  }
}
