// The list in the panel, in each of its states: loading, empty, failed, there.
import type { Item, List, ListState } from '../client'
import type { Bell } from './bell'
import { arrange, h } from './dom'
import type { Menu } from './menu'
import { row } from './row'
import { why } from './words'

export interface ListView {
  node: HTMLElement
  items(): readonly Item[]
  close(): void
}

export function listView(bell: Bell, menu: Menu): ListView {
  const { say } = bell
  const list: List = bell.client.list()
  const rows = new Map<string, { item: Item; node: HTMLLIElement }>()
  const items = h('ul', { class: 'items', 'aria-label': say.title, keydown: walk })
  const word = h('p', { class: 'word' })
  const again = h('button', { class: 'button', type: 'button', click: reload }, say.retry)
  const more = h('button', { class: 'button', type: 'button', click: loadMore }, say.more)
  const node = h('div', { class: 'scroll' }, items, word, again, more)
  const stop = list.subscribe(show)
  show(list.state)

  function show(state: ListState): void {
    // A row that is drawn anew, or has gone, must not take the focus with it.
    const focused = (node.getRootNode() as ShadowRoot).activeElement
    const at = focused ? [...items.children].findIndex((one) => one.contains(focused)) : -1
    const part = focused?.classList[focused.classList.length - 1]
    arrange(items, state.items.map(draw))
    for (const id of rows.keys()) if (!state.items.some((item) => item.id === id)) rows.delete(id)
    if (at >= 0 && !focused?.isConnected) {
      const next = items.children[Math.min(at, items.children.length - 1)]
      const target = next?.querySelector<HTMLElement>(`.${part}`) ?? next?.querySelector<HTMLElement>('.main')
      ;(target ?? node.closest<HTMLElement>('[role=dialog],dialog')?.querySelector('h2'))?.focus()
    }
    const empty = state.items.length === 0
    word.textContent =
      state.status === 'loading'
        ? say.loading
        : state.status === 'failed'
          ? say.failed(why(say, state.problem))
          : say.empty
    word.hidden = !empty
    items.hidden = empty
    again.hidden = state.status !== 'failed'
    more.hidden = !state.more
    more.disabled = state.loadingMore
  }

  function draw(item: Item): HTMLLIElement {
    const known = rows.get(item.id)
    if (known && same(known.item, item)) return known.node
    const made = row(item, bell, menu)
    rows.set(item.id, { item, node: made })
    return made
  }

  function walk(event: KeyboardEvent): void {
    const all = [...items.querySelectorAll<HTMLElement>('.main')]
    const at = all.findIndex((one) => one.parentElement?.contains(event.target as Node))
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key]
    if (to === undefined) return
    event.preventDefault()
    all[to]?.focus()
  }

  function reload(): void {
    bell.client.retry()
    void list.reload()
  }

  function loadMore(): void {
    bell.attempt(list.loadMore())
  }

  function close(): void {
    stop()
    list.close()
  }

  return { node, items: () => list.state.items, close }
}

/** What is done but not yet confirmed makes new objects of the same contents. */
function same(a: Item, b: Item): boolean {
  return (
    a === b || (a.seq === b.seq && a.updated_at === b.updated_at && a.read === b.read && a.count === b.count)
  )
}
