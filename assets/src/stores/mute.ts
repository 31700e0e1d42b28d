// What the member has muted. Lifting shows at once and is taken back if the server refuses.
import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { isProblem, type Problem } from '../api'
import type { Mute, Preferences } from '../client/types'
import { useInbox } from './inbox'

type Muted = Preferences['muted']

/** The lists of the preferences, and the member of `Mute` that is an entry of each. */
export const muteLists = { kinds: 'kind', groups: 'group', actors: 'actor' } as const
export type MuteList = keyof typeof muteLists

export const muteOf = (list: MuteList, what: string) => ({ [muteLists[list]]: what }) as unknown as Mute

export const useMute = defineStore('mute', () => {
  const inbox = useInbox()
  const known = shallowRef<Muted>({ kinds: [], groups: [], actors: [] })
  /** Those whose end the server has not confirmed yet: a refusal needs only to take one out again. */
  const lifting = ref(new Set<string>())
  const muted = computed<Muted>(() => ({
    kinds: without('kinds'),
    groups: without('groups'),
    actors: without('actors'),
  }))
  /** When the lists were last in step with the server; null before the first time. */
  const readAt = ref<Date | null>(null)
  const failure = shallowRef<Problem | null>(null)

  /** Which account the lists belong to: an answer that comes after a reset is somebody else's. */
  let era = 0

  async function load(): Promise<void> {
    if (!inbox.client) return
    failure.value = null
    const asked = era
    try {
      keep(asked, await inbox.client.preferences())
    } catch (problem) {
      if (asked === era && isProblem(problem)) failure.value = problem
    }
  }

  async function lift(list: MuteList, what: string): Promise<void> {
    if (!inbox.client) return
    const asked = era
    lifting.value.add(`${list} ${what}`)
    try {
      keep(asked, await inbox.client.unmute(muteOf(list, what)))
    } finally {
      lifting.value.delete(`${list} ${what}`)
    }
  }

  async function mute(what: Mute): Promise<void> {
    if (!inbox.client) return
    const asked = era
    keep(asked, await inbox.client.mute(what))
  }

  function without(list: MuteList): string[] {
    return known.value[list].filter((what) => !lifting.value.has(`${list} ${what}`))
  }

  function keep(asked: number, { muted: lists }: Preferences): void {
    if (asked !== era) return
    known.value = lists
    readAt.value = new Date()
  }

  function reset(): void {
    era += 1
    known.value = { kinds: [], groups: [], actors: [] }
    readAt.value = null
    failure.value = null
  }

  return { muted, readAt, failure, load, lift, mute, reset }
})
