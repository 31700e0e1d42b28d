// A part of the inbox for a page: opened at the client, followed while the page is there, opened anew for another filter.
import { shallowRef, watch } from 'vue'
import type { Filter, List, ListState } from './client/types'
import { useInbox } from './stores/inbox'

const waiting: ListState = { items: [], status: 'loading', problem: null, more: false, loadingMore: false }

export function useList(filter: () => Filter) {
  const inbox = useInbox()
  const state = shallowRef(waiting)
  let list: List | null = null

  watch(
    [() => inbox.client, filter] as const,
    ([client, wanted], _before, onCleanup) => {
      state.value = waiting
      if (!client) return
      const mine = client.list(wanted)
      list = mine
      state.value = mine.state
      const unsubscribe = mine.subscribe((next) => (state.value = next))
      onCleanup(() => {
        unsubscribe()
        mine.close()
        list = null
      })
    },
    { immediate: true },
  )

  return {
    state,
    loadMore: async () => list?.loadMore(),
    reload: async () => list?.reload(),
  }
}
