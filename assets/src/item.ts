// What an item comes to on a page: where it leads, and whom it names.
import type { Actor, Item } from './client/types'

/**
 * Where the item leads, or null. A path alone belongs to a forum whose address this server was not told: here it would lead
 * into our own pages.
 */
export function linkOf(url: string | null): string | null {
  return url !== null && /^https?:\/\//i.test(url) ? url : null
}

export const nameOf = (actor: Actor) => actor.name || actor.id

/** The newest, the one before if there are just two, and how many there are besides the newest. */
export function people(item: Item): { first: string | null; second: string | null; others: number } {
  const [first, second] = item.actors.length > 0 ? item.actors : item.actor ? [item.actor] : []
  return {
    first: first ? nameOf(first) : null,
    second: second && item.count === 2 ? nameOf(second) : null,
    others: item.count - 1,
  }
}
