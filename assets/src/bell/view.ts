// What is on the page: the bell with its badge, the panel it opens, toasts, the count in the title, the desktop.
import type { Client, Item, State, TransientItem } from '../client'
import { makeBell } from './bell'
import { h, set } from './dom'
import { face } from './face'
import { mark } from './icon'
import { panel as makePanel } from './panel'
import { titleCount, type TitleCount } from './title'
import { toasts as makeToasts } from './toast'
import { short, type Language } from './words'

export interface Looks {
  lang: Language
  titleCount: boolean
  desktop: boolean
  toasts: boolean
}

export interface View {
  nodes: Node[]
  close(): void
}

export function view(host: HTMLElement, sheet: CSSStyleSheet, client: Client, looks: Looks): View {
  const bell = makeBell(host, client, looks.lang, { notice, followed: () => panel.close() })
  const { say } = bell
  const rules = { panel: '', menu: '' }
  const panel = makePanel(bell, {
    desktop: looks.desktop,
    place(part, wanted) {
      rules[part] = wanted
      sheet.replaceSync(`.panel{${rules.panel}}.menu{${rules.menu}}`)
    },
  })
  const toasts = makeToasts(say.toasts, say.close)
  const title: TitleCount | null = looks.titleCount ? titleCount() : null
  const badge = h('span', { class: 'badge', 'aria-hidden': 'true', part: 'badge', hidden: true })
  const picture = mark()
  const button = h(
    'button',
    { class: 'bell', part: 'bell', type: 'button', 'aria-haspopup': 'dialog', click: open },
    picture,
    badge,
  )
  /** Always there and never shown, because a region that appears together with its words is often not read out. */
  const voice = h('div', { class: 'quiet', role: 'status' })
  const undo = [
    client.subscribe(update),
    client.on('arrived', ({ item, replayed }) => (replayed ? missed() : arrived(item))),
    client.on('transient', ({ item }) => arrived(item)),
  ]
  let waiting = 0
  update(client.state)

  function open(): void {
    toasts.clear()
    panel.open(button)
  }

  function update(state: State): void {
    const unseen = short(state.counts?.unseen ?? 0)
    badge.textContent = unseen
    badge.hidden = unseen === ''
    set(button, { 'aria-label': say.bell(unseen) })
    title?.show(unseen)
    panel.update(state)
  }

  function arrived(item: Item | TransientItem): void {
    swing()
    announce(item.title)
    if (document.hidden) onDesktop(item)
    else if (looks.toasts && !panel.node.open) toasts.show(toast(item), item.id ?? undefined)
  }

  /** However many came while we were away, they are told in one sentence. */
  function missed(): void {
    if (waiting++ > 0) return
    queueMicrotask(() => {
      swing()
      const text = say.missed(waiting)
      waiting = 0
      announce(text)
      if (looks.toasts && !document.hidden && !panel.node.open)
        toasts.show(h('button', { class: 'main', type: 'button', click: open }, text))
    })
  }

  function toast(item: Item | TransientItem): HTMLElement {
    return h(
      'button',
      { class: 'main', type: 'button', click: (event: MouseEvent) => void bell.follow(event, item) },
      face(item.actors[0] ?? item.actor),
      h(
        'span',
        { class: 'text' },
        h('span', { class: 'headline' }, item.title),
        item.body && item.body !== item.title && h('span', { class: 'body' }, item.body),
      ),
    )
  }

  function onDesktop(item: Item | TransientItem): void {
    // One tab of all speaks, or each would.
    if (!looks.desktop || !client.state.leading) return
    if (!('Notification' in window) || Notification.permission !== 'granted') return
    const options = { body: item.body, lang: looks.lang, ...(item.id !== null && { tag: item.id }) }
    try {
      const shown = new Notification(item.title, options)
      shown.onclick = () => {
        window.focus()
        shown.close()
        void bell.follow(new MouseEvent('click'), item)
      }
    } catch {
      // Phones show notifications from service workers only.
    }
  }

  /** What is outside an open panel is not read out. */
  function announce(text: string): void {
    ;(panel.node.open ? panel.voice : voice).textContent = text
  }

  function swing(): void {
    const group = picture.querySelector('g')
    group?.classList.remove('swing')
    // Read, so that the browser sees the class gone before it is there again.
    void picture.getBoundingClientRect()
    group?.classList.add('swing')
  }

  function notice(text: string, undo?: () => void): void {
    if (panel.notice(text, undo)) return
    announce(text)
    toasts.show(
      h(
        'span',
        { class: 'note' },
        text,
        undo && h('button', { class: 'button', type: 'button', click: undo }, say.undo),
      ),
    )
  }

  function close(): void {
    for (const one of undo) one()
    title?.stop()
    panel.destroy()
    toasts.clear()
  }

  return { nodes: [button, voice, panel.node, toasts.node], close }
}
