// <bellrope-bell token="…">: the bell for any page of any origin. No token, no bell.
import { connect, type Client, type EndReason } from '../client'
import css from './bell.css?inline'
import { view, type View } from './view'
import { language } from './words'

type TokenCallback = () => Promise<string | null>

/** These the developer has to mend, or a reload of the page: the member can do nothing about them. */
const mistakes: readonly EndReason[] = ['token_invalid', 'expired']

class BellropeBell extends HTMLElement {
  static readonly observedAttributes = ['token', 'server', 'lang', 'title-count', 'desktop', 'toasts']

  #root = this.attachShadow({ mode: 'open' })
  #place = new CSSStyleSheet()
  #client: Client | null = null
  #view: View | null = null
  #callback: TokenCallback | null = null
  /** What the client was opened with. */
  #opened = ''
  #due = false

  constructor() {
    super()
    const sheet = new CSSStyleSheet()
    sheet.replaceSync(css)
    this.#root.adoptedStyleSheets = [sheet, this.#place]
  }

  connectedCallback(): void {
    // A page may have set the property before this script came.
    if (Object.hasOwn(this, 'tokenCallback')) {
      const early = this.tokenCallback
      delete (this as { tokenCallback?: unknown }).tokenCallback
      this.tokenCallback = early
    }
    this.#refresh()
  }

  disconnectedCallback(): void {
    this.#refresh()
  }

  attributeChangedCallback(): void {
    this.#refresh()
  }

  /** Gives a fresh token when one is needed; null when nobody is logged in any more. */
  get tokenCallback(): TokenCallback | null {
    return this.#callback
  }

  set tokenCallback(callback: TokenCallback | null) {
    this.#callback = typeof callback === 'function' ? callback : null
    this.#refresh()
  }

  /** The inbox behind the bell, for a page that wants more than the bell; null while there is none. */
  get client(): Client | null {
    return this.#client
  }

  /** The member has logged out of the forum: leaves and clears in all tabs. */
  logout(): void {
    this.#client?.logout()
  }

  /** Attributes often change together; what they come to is looked at once, after the last. */
  #refresh(): void {
    if (this.#due) return
    this.#due = true
    queueMicrotask(() => {
      this.#due = false
      this.#become()
    })
  }

  #become(): void {
    const token = this.getAttribute('token')?.trim() || null
    const wanted = this.isConnected && (token !== null || this.#callback !== null)
    const server = this.getAttribute('server')
    const opened = wanted ? JSON.stringify([token, server]) : ''
    this.#view?.close()
    this.#view = null
    if (opened !== this.#opened) {
      this.#opened = opened
      this.#client?.close()
      this.#client = wanted ? this.#open(token, server) : null
    }
    this.#show()
  }

  #open(token: string | null, server: string | null): Client {
    const callback = () => this.#callback ?? undefined
    const client = connect({
      token,
      ...(server && { server }),
      // Looked up whenever it is needed: the page may set it later, or set another.
      get tokenCallback() {
        return callback()
      },
    })
    client.on('ended', ({ reason }) => this.#ended(reason))
    // Without a token it is not known yet whether anybody is logged in.
    if (token === null) {
      const stop = client.subscribe(({ member }) => {
        if (member === null) return
        stop()
        this.#show()
      })
    }
    return client
  }

  #show(): void {
    const client = this.#client
    const nobody = client?.state.member == null && !this.getAttribute('token')
    this.hidden = nobody || client?.state.connection === 'ended'
    if (!client || this.hidden) return this.#root.replaceChildren()
    const lang = language([
      this.getAttribute('lang'),
      this.closest('[lang]')?.getAttribute('lang'),
      ...navigator.languages,
    ])
    this.#view = view(this, this.#place, client, {
      lang,
      titleCount: this.hasAttribute('title-count'),
      desktop: this.hasAttribute('desktop'),
      toasts: this.getAttribute('toasts') !== 'off',
    })
    this.#root.replaceChildren(...this.#view.nodes)
  }

  #ended(reason: EndReason): void {
    if (mistakes.includes(reason))
      console.warn(`bellrope-bell: the server no longer takes the token (${reason})`)
    this.#view?.close()
    this.#view = null
    this.#show()
    this.dispatchEvent(new CustomEvent('bellrope-ended', { detail: { reason } }))
  }
}

// Two scripts of one page may both bring it.
if (!customElements.get('bellrope-bell')) customElements.define('bellrope-bell', BellropeBell)
