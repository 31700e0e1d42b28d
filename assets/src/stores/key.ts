// The API keys, for administrators. A new key's secret is held only until its page has shown it; revoking shows at once.
import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { get, post, Problem, remove } from '../api'
import type { Key, Scope } from '../types'

export const useKey = defineStore('key', () => {
  const known = shallowRef<readonly Key[]>([])
  /** Those whose end the server has not confirmed yet: a refusal needs only to take one out again. */
  const revoking = ref(new Set<string>())
  const items = computed(() => known.value.filter(({ id }) => !revoking.value.has(id)))
  /** When the list was last in step with the server; null before the first time. */
  const readAt = ref<Date | null>(null)
  const failure = ref<Problem | null>(null)
  /** The key made last, with its secret, which nobody will see again. */
  const fresh = ref<{ id: string; name: string; key: string } | null>(null)

  /** Which account the list belongs to: an answer that comes after a reset is somebody else's. */
  let era = 0

  async function load(): Promise<void> {
    const asked = era
    failure.value = null
    try {
      const answer = await get<{ items: Key[] }>('/keys')
      if (asked !== era) return
      known.value = answer.items
      readAt.value = new Date()
    } catch (problem) {
      if (asked === era && problem instanceof Problem) failure.value = problem
    }
  }

  async function create(name: string, scopes: Scope[]): Promise<void> {
    const asked = era
    const { key, ...made } = await post<Key & { key: string }>('/keys', { name, scopes })
    if (asked !== era) return
    known.value = [made, ...known.value]
    fresh.value = { id: made.id, name: made.name, key }
  }

  async function revoke({ id }: Key): Promise<void> {
    revoking.value.add(id)
    try {
      await remove(`/keys/${encodeURIComponent(id)}`)
    } catch (problem) {
      // One that is gone already is what was wanted.
      if (!(problem instanceof Problem && problem.code === 'not_found')) throw problem
    } finally {
      revoking.value.delete(id)
    }
    known.value = known.value.filter((key) => key.id !== id)
    if (fresh.value?.id === id) forget()
  }

  const forget = () => (fresh.value = null)

  function reset(): void {
    era += 1
    known.value = []
    readAt.value = null
    failure.value = null
    fresh.value = null
  }

  return { items, readAt, failure, fresh, load, create, revoke, forget, reset }
})
