// The sessions of one's own account. Ending one shows at once and is taken back if the server refuses.
import { defineStore } from 'pinia'
import { ref, shallowRef } from 'vue'
import { get, Problem, remove } from '../api'
import type { Session } from '../types'

export const useSession = defineStore('session', () => {
  const items = shallowRef<readonly Session[]>([])
  /** When the list was last in step with the server; null before the first time. */
  const readAt = ref<Date | null>(null)
  const failure = ref<Problem | null>(null)

  /** Which account the list belongs to: an answer that comes after a reset is somebody else's. */
  let era = 0

  async function load(): Promise<void> {
    const asked = era
    failure.value = null
    try {
      const answer = await get<{ items: Session[] }>('/me/sessions')
      if (asked !== era) return
      items.value = answer.items
      readAt.value = new Date()
    } catch (problem) {
      if (asked === era && problem instanceof Problem) failure.value = problem
    }
  }

  async function end(session: Session): Promise<void> {
    const before = items.value
    const after = before.filter(({ id }) => id !== session.id)
    items.value = after
    try {
      await remove(`/me/sessions/${encodeURIComponent(session.id)}`)
    } catch (problem) {
      // One that is gone already is what was wanted.
      if (problem instanceof Problem && problem.code === 'not_found') return
      // A list that was read meanwhile is the truth already.
      if (items.value === after) items.value = before
      throw problem
    }
  }

  function reset(): void {
    era += 1
    items.value = []
    readAt.value = null
    failure.value = null
  }

  return { items, readAt, failure, load, end, reset }
})
