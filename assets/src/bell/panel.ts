// The panel below the bell: a dialog with the list, or what is muted; a sheet over the whole window on a phone.
import type { Actor, State } from '../client'
import type { Bell } from './bell'
import { h } from './dom'
import { icon } from './icon'
import { listView, type ListView } from './list'
import { menu as makeMenu } from './menu'
import { mutesView } from './mutes'
import { ago, tick } from './time'

/** Time to read a sentence and to reach for "undo". */
const notice_ms = 8_000
const tick_ms = 30_000
/** A window less wide shows the panel over all of it; bell.css has the same number. */
const narrow_px = 480
const width_px = 420
const height_px_min = 360

export interface Panel {
  node: HTMLDialogElement
  /** Read out, and not seen. */
  voice: HTMLElement
  open(below: HTMLElement): void
  close(): void
  /** False when the panel is closed, and the sentence has to be shown elsewhere. */
  notice(text: string, undo?: () => void): boolean
  update(state: State): void
  destroy(): void
}

export interface PanelOptions {
  /** Whether to offer desktop notifications. */
  desktop: boolean
  /** Rules for where things are; a style attribute would be against a strict policy. */
  place(part: 'panel' | 'menu', rules: string): void
}

export function panel(bell: Bell, { desktop, place }: PanelOptions): Panel {
  const { client, say, lang } = bell
  const menu = makeMenu((top, left) => place('menu', narrow() ? '' : `top:${top}px;left:${left}px`))
  let list: ListView | null = null
  let ticking: ReturnType<typeof setInterval> | undefined
  let noticed: ReturnType<typeof setTimeout> | undefined
  let opener: HTMLElement | null = null
  let seenAt = -1

  const heading = h('h2', { tabindex: '-1' }, say.title)
  const press = (name: 'close' | 'back' | 'mute', label: string, click: () => void) =>
    h('button', { class: 'press', type: 'button', title: label, 'aria-label': label, click }, icon(name))
  const back = press('back', say.back, showList)
  const all = h('button', { class: 'button plain', type: 'button', click: readAll }, say.markAll)
  const mutes = press('mute', say.mutes, showMutes)
  const offlineWords = h('span')
  const offline = h(
    'div',
    { class: 'bar', role: 'status', hidden: true },
    offlineWords,
    h('button', { class: 'button', type: 'button', click: () => client.retry() }, say.retry),
  )
  const content = h('div', { class: 'content' })
  const ask = h('div', { class: 'bar', hidden: true })
  const voice = h('div', { class: 'quiet', role: 'status' })
  const notices = h('div', { class: 'notices', role: 'status' })
  const node = h(
    'dialog',
    { class: 'panel', 'aria-label': say.title, click: pressed, close: closed, keydown: key },
    h('header', {}, back, heading, all, mutes, press('close', say.close, close)),
    offline,
    content,
    ask,
    notices,
    voice,
    menu.node,
  )

  const narrow = () => innerWidth <= narrow_px

  function open(below: HTMLElement): void {
    opener = below
    locate()
    node.showModal()
    showList()
    ticking = setInterval(() => tick(node, lang, say), tick_ms)
    addEventListener('resize', locate)
    offer()
    update(client.state)
  }

  /** Below the bell and inside the window. */
  function locate(): void {
    if (!opener || narrow()) return place('panel', '')
    const { bottom, right } = opener.getBoundingClientRect()
    const top = Math.max(8, Math.min(bottom + 8, innerHeight - height_px_min - 8))
    const left = Math.max(8, Math.min(right, innerWidth - 8) - width_px)
    place('panel', `top:${top}px;left:${left}px;width:${width_px}px;max-height:${innerHeight - top - 8}px`)
  }

  function showList(): void {
    menu.close()
    list ??= listView(bell, menu)
    content.replaceChildren(list.node)
    heading.textContent = say.title
    back.hidden = true
    mutes.hidden = false
    tick(node, lang, say)
    heading.focus()
    update(client.state)
  }

  function showMutes(): void {
    menu.close()
    content.replaceChildren(mutesView(bell, actors()))
    heading.textContent = say.mutes
    back.hidden = false
    all.hidden = mutes.hidden = true
    heading.focus()
  }

  function actors(): Actor[] {
    return list?.items().flatMap(({ actor, actors }) => (actor ? [actor, ...actors] : [...actors])) ?? []
  }

  /** All that is here: what arrives while the button is pressed has not been seen. */
  function readAll(): void {
    bell.attempt(client.read({ through: client.state.seq }))
  }

  function update({ connection, inStepAt_ms, counts, seq }: State): void {
    if (!node.open) return
    offline.hidden = connection !== 'offline'
    if (!offline.hidden)
      offlineWords.textContent = say.offline(inStepAt_ms === null ? null : ago(inStepAt_ms, lang, say))
    all.hidden = !back.hidden || !counts?.unread
    // Whoever looks at the list has seen what is in it. Once for each number, so that a refusal is not asked for again.
    if (!counts?.unseen || document.hidden || seenAt === seq) return
    seenAt = seq
    client.seen().catch(() => {})
  }

  function offer(): void {
    const asks = desktop && 'Notification' in window && Notification.permission === 'default'
    ask.hidden = !asks
    if (!asks) return
    const button = h('button', { class: 'button plain', type: 'button' }, say.desktop)
    button.addEventListener('click', () => {
      void Notification.requestPermission().then((answer) => {
        ask.hidden = true
        if (answer === 'denied') notice(say.desktopDenied)
      })
    })
    ask.replaceChildren(button)
  }

  function notice(text: string, undo?: () => void): boolean {
    if (!node.open) return false
    clearTimeout(noticed)
    const clear = () => notices.replaceChildren()
    const button =
      undo &&
      h(
        'button',
        { class: 'button', type: 'button', click: () => (clear(), heading.focus(), undo()) },
        say.undo,
      )
    notices.replaceChildren(h('span', {}, text), ...(button ? [button] : []))
    noticed = setTimeout(clear, notice_ms)
    return true
  }

  /** A press beside the panel closes it, as it would close a menu. */
  function pressed(event: MouseEvent): void {
    if (event.target !== node || event.detail === 0) return
    const { left, right, top, bottom } = node.getBoundingClientRect()
    const inside =
      event.clientX >= left && event.clientX <= right && event.clientY >= top && event.clientY <= bottom
    if (!inside) close()
  }

  function key(event: KeyboardEvent): void {
    // Keys pressed in here are not meant for the forum's own shortcuts.
    event.stopPropagation()
  }

  function close(): void {
    if (node.open) node.close()
  }

  function closed(): void {
    clearInterval(ticking)
    clearTimeout(noticed)
    removeEventListener('resize', locate)
    menu.close()
    notices.replaceChildren()
    voice.textContent = ''
    opener?.focus()
  }

  function destroy(): void {
    close()
    list?.close()
  }

  return { node, voice, open, close, notice, update, destroy }
}
