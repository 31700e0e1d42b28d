// The menu of a notification: opened by its button, walked by arrows, closed by Escape or by pressing elsewhere.
import { h } from './dom'

export interface Choice {
  words: string
  act(): void
}

export interface Menu {
  node: HTMLElement
  open(by: HTMLElement, choices: readonly Choice[]): void
  close(): void
}

/** `place` says where on the window the menu goes; a narrow one shows it at its foot. */
export function menu(place: (top_px: number, left_px: number) => void): Menu {
  let opener: HTMLElement | null = null
  const node = h('div', { class: 'menu', role: 'menu', popover: 'manual', keydown: walk, focusout: leave })

  function open(by: HTMLElement, choices: readonly Choice[]): void {
    const again = opener === by
    close()
    if (again) return
    opener = by
    by.setAttribute('aria-expanded', 'true')
    node.replaceChildren(
      ...choices.map(({ words, act }) =>
        h(
          'button',
          { type: 'button', role: 'menuitem', tabindex: '-1', click: () => (close(), act()) },
          words,
        ),
      ),
    )
    node.classList.add('open')
    // Above everything else in the window; an older browser has its z-index.
    node.showPopover?.()
    const from = by.getBoundingClientRect()
    const { offsetHeight: height, offsetWidth: width } = node
    const below = from.bottom + height <= innerHeight
    place(
      Math.max(8, below ? from.bottom : from.top - height),
      Math.max(8, Math.min(from.right, innerWidth - 8) - width),
    )
    ;(node.firstElementChild as HTMLElement | null)?.focus()
  }

  function close(): void {
    const by = opener
    if (!by) return
    opener = null
    const inside = node.contains((node.getRootNode() as ShadowRoot).activeElement)
    by.removeAttribute('aria-expanded')
    node.classList.remove('open')
    node.hidePopover?.()
    if (inside) by.focus()
  }

  function walk(event: KeyboardEvent): void {
    const all = [...node.children] as HTMLElement[]
    const at = all.indexOf(event.target as HTMLElement)
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + all.length, Home: 0, End: all.length - 1 }[event.key]
    if (to !== undefined) all[to % all.length]?.focus()
    else if (event.key === 'Escape' || event.key === 'Tab') close()
    else return
    // The panel around it stays open, and where it is.
    event.preventDefault()
    event.stopPropagation()
  }

  function leave({ relatedTarget }: FocusEvent): void {
    // A press on the opener closes by itself.
    if (relatedTarget !== opener && !node.contains(relatedTarget as Node | null)) close()
  }

  return { node, open, close }
}
