// Who it was: a picture, or the first letter of the name where there is none.
import { safeUrl, type Actor } from '../client'
import { h } from './dom'
import { mark } from './icon'
import { nameOf } from './words'

export function face(actor: Actor | null): HTMLElement {
  if (!actor) return h('span', { class: 'face' }, mark())
  const letter = () => document.createTextNode([...nameOf(actor)][0]?.toUpperCase() ?? '')
  const address = safeUrl(actor.avatar)
  if (address === null) return h('span', { class: 'face', 'aria-hidden': 'true' }, letter())
  const picture = h('img', {
    alt: '',
    loading: 'lazy',
    decoding: 'async',
    // Whoever keeps the picture need not know which page it is looked at on.
    referrerpolicy: 'no-referrer',
    error: () => picture.replaceWith(letter()),
  })
  // Last: it is what starts the loading.
  picture.src = address
  return h('span', { class: 'face', 'aria-hidden': 'true' }, picture)
}
