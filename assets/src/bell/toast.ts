// The toasts: what has just arrived, and how an action ended while the panel is closed. Nothing waits behind them.
import { h } from './dom'
import { icon } from './icon'

/** Time to read a sentence and to reach for "undo". */
const shown_ms = 8_000
/** More would cover the page; the oldest makes room. */
const toasts_max = 3

export interface Toasts {
  node: HTMLElement
  /** A toast of the same `key`, where there is one, gives its place up. */
  show(content: HTMLElement, key?: string): void
  clear(): void
}

export function toasts(label: string, close: string): Toasts {
  let open = false
  const node = h('div', { class: 'toasts', popover: 'manual', role: 'region', 'aria-label': label })

  function show(content: HTMLElement, key?: string): void {
    let timer: ReturnType<typeof setTimeout> | undefined
    const hold = () => clearTimeout(timer)
    const wait = () => {
      hold()
      timer = setTimeout(remove, shown_ms)
    }
    const remove = () => {
      hold()
      toast.remove()
      if (node.childElementCount === 0) clear()
    }
    const toast = h(
      'div',
      // Who points at it, or has come to it by keyboard, is still reading.
      {
        class: 'toast',
        pointerenter: hold,
        pointerleave: wait,
        focusin: hold,
        focusout: wait,
        click: remove,
      },
      content,
      h('button', { class: 'press', type: 'button', 'aria-label': close }, icon('close')),
    )
    if (key !== undefined) {
      toast.dataset.key = key
      for (const one of [...node.children] as HTMLElement[]) if (one.dataset.key === key) one.remove()
    }
    node.append(toast)
    while (node.childElementCount > toasts_max) node.firstElementChild?.remove()
    node.classList.add('open')
    if (!open) node.showPopover?.()
    open = true
    wait()
  }

  function clear(): void {
    node.replaceChildren()
    node.classList.remove('open')
    if (open) node.hidePopover?.()
    open = false
  }

  return { node, show, clear }
}
