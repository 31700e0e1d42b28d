// What a member does not want to hear about.
import type { Http } from './http'
import type { Client, Mute, Preferences } from './types'

type Part = 'preferences' | 'setPreferences' | 'mute' | 'unmute'

export function preferences(web: Http): Pick<Client, Part> {
  const get = () => web.ask<Preferences>('GET', '/inbox/preferences')
  const put = ({ muted }: Preferences) => web.ask<Preferences>('PUT', '/inbox/preferences', { muted })

  /** Read, altered and written back, one after the other: two at once would undo each other. */
  let queue: Promise<unknown> = Promise.resolve()
  function alter(what: Mute, change: (list: string[], word: string) => string[]): Promise<Preferences> {
    const done = queue.then(async () => {
      const { muted } = await get()
      if ('kind' in what) muted.kinds = change(muted.kinds, what.kind)
      else if ('group' in what) muted.groups = change(muted.groups, what.group)
      else muted.actors = change(muted.actors, what.actor)
      return put({ muted })
    })
    queue = done.catch(() => {})
    return done
  }

  const without = (list: string[], word: string) => list.filter((one) => one !== word)
  return {
    preferences: get,
    setPreferences: put,
    mute: (what) => alter(what, (list, word) => [...without(list, word), word]),
    unmute: (what) => alter(what, without),
  }
}
