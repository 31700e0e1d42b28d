// Which part of the inbox is shown. The address says it, so that it can be kept, shared between tabs and gone back from.
import { computed } from 'vue'
import { useRoute } from 'vue-router'
import type { Filter } from './client/types'

export const states = ['all', 'unread', 'archived'] as const

/** The filter with its state always said. */
export type Shown = Filter & { state: (typeof states)[number] }

export function useFilter() {
  const route = useRoute()
  return computed<Shown>(() => {
    const { state, kind } = route.query
    return {
      state: states.find((one) => one === state) ?? 'all',
      kind: typeof kind === 'string' && kind !== '' ? kind : undefined,
    }
  })
}

/** The query of an address that shows this part; the usual is left out. */
export function queryOf({ state, kind }: Shown): Record<string, string> {
  return { ...(state !== 'all' && { state }), ...(kind && { kind }) }
}
