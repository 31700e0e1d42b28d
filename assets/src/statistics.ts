// What the server counts, asked for again and again while somebody looks, and what five minutes of it come to.
import { onBeforeUnmount, onMounted, readonly, ref, shallowRef } from 'vue'
import { get, Problem } from './api'
import type { Statistics } from './types'

/** Often enough to watch a crowd arrive, seldom enough that nobody notices who watches. */
const pause_ms = 2_000
export const window_ms = 5 * 60_000
/** Nothing is known of a longer time between two answers: the tab was hidden, or the server did not answer. */
const gap_ms_max = 10_000

export interface Point {
  at_ms: number
  value: number
  /** Whether the time since the point before is known. */
  joined: boolean
}

const at = (one: Statistics) => Date.parse(one.time)

/** With the next answer, without what is too old, and without what another start of the server counted. */
export function follow(history: readonly Statistics[], next: Statistics): Statistics[] {
  const isSame = (one: Statistics) => one.started_at === next.started_at
  return [...history.filter((one) => isSame(one) && at(next) - at(one) <= window_ms), next]
}

/** One point for each answer; what is not known is none. */
export function levels(history: readonly Statistics[], of: (one: Statistics) => number | null): Point[] {
  return history.flatMap((one, index) => {
    const value = of(one)
    return value === null ? [] : [{ at_ms: at(one), value, joined: isNear(history[index - 1], one) }]
  })
}

/** One point for each two answers: how much `of` rose for each unit of `by`, a second if there is none. */
export function rates(
  history: readonly Statistics[],
  of: (one: Statistics) => number,
  by: (one: Statistics) => number = (one) => at(one) / 1000,
): Point[] {
  let known = false
  return history.flatMap((one, index) => {
    const before = history[index - 1]
    if (!before) return []
    const joined = known && isNear(before, one)
    const over = by(one) - by(before)
    known = over > 0
    return known ? [{ at_ms: at(one), value: (of(one) - of(before)) / over, joined }] : []
  })
}

function isNear(before: Statistics | undefined, one: Statistics): boolean {
  return before !== undefined && at(one) - at(before) <= gap_ms_max
}

/** What so large a part of the commits between two answers took at most, in seconds; null where there was none. */
export function quantile(part: number, last: Statistics, first?: Statistics): number | null {
  const before = first?.store.commits.buckets
  const buckets = last.store.commits.buckets.map(({ up_to, count }, index) => ({
    up_to,
    count: count - (before?.[index]?.count ?? 0),
  }))
  const wanted = part * buckets.reduce((sum, { count }) => sum + count, 0)
  if (wanted === 0) return null
  let below = 0
  let from = 0
  for (const { up_to, count } of buckets) {
    // Above all bounds the last of them is all that is known.
    if (up_to === null) break
    if (below + count >= wanted) return from + ((up_to - from) * (wanted - below)) / count
    below += count
    from = up_to
  }
  return from
}

/** Asks for as long as the page is there and its tab is seen. */
export function useStatistics() {
  const history = shallowRef<readonly Statistics[]>([])
  const readAt = ref<Date | null>(null)
  const failure = shallowRef<Problem | null>(null)
  let timer: ReturnType<typeof setTimeout> | undefined
  let isAsking = false
  let isGone = false

  async function ask(): Promise<void> {
    if (isAsking) return
    isAsking = true
    clearTimeout(timer)
    try {
      history.value = follow(history.value, await get<Statistics>('/statistics'))
      readAt.value = new Date()
      failure.value = null
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem
      failure.value = problem
    } finally {
      isAsking = false
      if (!isGone && !document.hidden) timer = setTimeout(ask, pause_ms)
    }
  }

  function seen(): void {
    if (document.hidden) clearTimeout(timer)
    else void ask()
  }

  onMounted(() => {
    document.addEventListener('visibilitychange', seen)
    seen()
  })
  onBeforeUnmount(() => {
    isGone = true
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', seen)
  })

  return { history, readAt: readonly(readAt), failure, ask }
}
