// What the parts of the bell share: the member's inbox, the language, and what happens when something is pressed.
import { safeUrl, type Client, type Item, type TransientItem } from '../client'
import { why, words, type Language, type Words } from './words'

/** A link waits this long for its item to be read; the request goes on when the page is left. */
const follow_ms_max = 800

export interface Outcome {
  /** The sentence that says it is done. */
  done?: string
  undo?: () => Promise<unknown>
}

export interface Bell {
  readonly client: Client
  readonly lang: Language
  readonly say: Words
  /** Something was pressed: it is read, and its link followed. */
  follow(event: MouseEvent, item: Item | TransientItem): Promise<void>
  /** Tells how an action ended: what is done with its undo, or that it was taken back, and why. */
  attempt(action: Promise<unknown>, outcome?: Outcome): void
}

export function makeBell(
  host: HTMLElement,
  client: Client,
  lang: Language,
  on: { notice(text: string, undo?: () => void): void; followed(): void },
): Bell {
  const say = words[lang]

  function attempt(action: Promise<unknown>, { done, undo }: Outcome = {}): void {
    action.then(
      () => done && on.notice(done, undo && (() => attempt(undo()))),
      (problem: unknown) => on.notice(say.refused(why(say, problem))),
    )
  }

  async function follow(event: MouseEvent, item: Item | TransientItem): Promise<void> {
    const reading = item.id === null || item.read ? null : client.read({ ids: [item.id] })
    if (reading) attempt(reading)
    const asked = new CustomEvent('bellrope-open', { detail: { item }, cancelable: true })
    const address = safeUrl(item.url)
    // A page that shows it by itself says so by `preventDefault`.
    if (!host.dispatchEvent(asked)) {
      event.preventDefault()
      return on.followed()
    }
    if (address === null || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    await Promise.race([
      reading?.catch(() => {}),
      new Promise((resolve) => setTimeout(resolve, follow_ms_max)),
    ])
    location.assign(address)
    // The address may be on this very page.
    on.followed()
  }

  return { client, lang, say, follow, attempt }
}
