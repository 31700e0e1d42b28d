// One notification in the list: a press reads it and follows its link; beside it, archive and a menu.
import { safeUrl, type Item, type Mute } from '../client'
import type { Bell } from './bell'
import { h } from './dom'
import { face } from './face'
import { icon } from './icon'
import type { Choice, Menu } from './menu'
import { time } from './time'
import { nameOf, who } from './words'

export function row(item: Item, bell: Bell, menu: Menu): HTMLLIElement {
  const { say, lang } = bell
  const address = safeUrl(item.url)
  const content = [
    face(item.actors[0] ?? item.actor),
    h(
      'span',
      { class: 'text' },
      h(
        'span',
        { class: 'headline' },
        item.read ? null : h('span', { class: 'quiet' }, say.unread),
        item.title,
      ),
      item.body && item.body !== item.title && h('span', { class: 'body' }, item.body),
      h(
        'span',
        { class: 'meta' },
        time(item.updated_at, lang, say),
        who(say, item) && ` · ${who(say, item)}`,
      ),
    ),
  ]
  const press = (event: MouseEvent) => void bell.follow(event, item)
  const main = address
    ? h('a', { class: 'main', href: address, click: press }, ...content)
    : h('button', { class: 'main', type: 'button', click: press }, ...content)
  const more = h(
    'button',
    {
      class: 'press more',
      type: 'button',
      'aria-haspopup': 'menu',
      'aria-label': say.menu(item.title),
      click: () => menu.open(more, choices(item, bell)),
    },
    icon('more'),
  )
  const archive = h(
    'button',
    {
      class: 'press archive',
      type: 'button',
      title: say.archive,
      'aria-label': say.archiveThis(item.title),
      click: () => put(item, bell),
    },
    icon('archive'),
  )
  return h('li', { class: item.read ? 'row' : 'row unread', 'data-id': item.id }, main, archive, more)
}

function put(item: Item, bell: Bell): void {
  const ids = [item.id]
  bell.attempt(bell.client.archive({ ids }), {
    done: bell.say.archived,
    // It comes back as it was: what the archive gives back is read.
    undo: async () => {
      await bell.client.unarchive({ ids })
      if (!item.read) await bell.client.unread({ ids })
    },
  })
}

function choices(item: Item, bell: Bell): Choice[] {
  const { client, say } = bell
  const ids = [item.id]
  const mute = (words: string, done: string, what: Mute): Choice => ({
    words,
    act: () => bell.attempt(client.mute(what), { done, undo: () => client.unmute(what) }),
  })
  const actor = item.actors[0] ?? item.actor
  return [
    item.read
      ? { words: say.markUnread, act: () => bell.attempt(client.unread({ ids })) }
      : { words: say.markRead, act: () => bell.attempt(client.read({ ids })) },
    { words: say.archive, act: () => put(item, bell) },
    mute(say.muteKind(item.kind), say.mutedKind(item.kind), { kind: item.kind }),
    ...(item.group === null ? [] : [mute(say.muteGroup, say.mutedGroup, { group: item.group })]),
    ...(actor === null
      ? []
      : [mute(say.muteActor(nameOf(actor)), say.mutedActor(nameOf(actor)), { actor: actor.id })]),
  ]
}
