// What the member has muted, and how to lift it.
import type { Actor, Mute, Preferences } from '../client'
import type { Bell } from './bell'
import { h } from './dom'
import { nameOf, why } from './words'

const kinds = { kinds: 'kind', groups: 'group', actors: 'actor' } as const

/** `known`: actors seen in the list, because the server keeps only their ids. */
export function mutesView(bell: Bell, known: readonly Actor[]): HTMLElement {
  const { client, say } = bell
  const node = h('div', { class: 'scroll' }, h('p', { class: 'word' }, say.loading))

  async function load(): Promise<void> {
    try {
      show(await client.preferences())
    } catch (problem) {
      node.replaceChildren(
        h('p', { class: 'word' }, say.mutesFailed(why(say, problem))),
        h('button', { class: 'button', type: 'button', click: () => void load() }, say.retry),
      )
    }
  }

  function show({ muted }: Preferences): void {
    const parts = (['kinds', 'groups', 'actors'] as const).filter((part) => muted[part].length > 0)
    if (parts.length === 0) return node.replaceChildren(h('p', { class: 'word' }, say.mutesEmpty))
    node.replaceChildren(
      ...parts.map((part) =>
        h(
          'section',
          {},
          h('h3', {}, say.mutesOf[part]),
          h('ul', { class: 'mutes' }, ...muted[part].map((word) => one(part, word))),
        ),
      ),
    )
  }

  function one(part: keyof typeof kinds, word: string): HTMLLIElement {
    const actor = part === 'actors' ? known.find(({ id }) => id === word) : undefined
    const name = actor ? nameOf(actor) : word
    const what = { [kinds[part]]: word } as Mute
    const lift = () => {
      const done = client.unmute(what)
      bell.attempt(done)
      void done.then(show, () => {})
    }
    return h(
      'li',
      {},
      h('span', {}, name),
      h(
        'button',
        { class: 'button', type: 'button', 'aria-label': say.liftThis(name), click: lift },
        say.lift,
      ),
    )
  }

  void load()
  return node
}
