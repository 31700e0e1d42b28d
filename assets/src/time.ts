// Times as people say them: how long ago, and the exact moment for whoever asks.
import { readonly, ref } from 'vue'

const steps = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const

/** "5 minutes ago"; null within the last minute, for which languages have a word of their own. */
export function relative(at: Date, now_ms: number, locale: string): string | null {
  // A server's clock a little ahead of ours must not put what has happened into the future.
  const past_s = Math.max(0, (now_ms - at.getTime()) / 1000)
  const step = steps.find(([, length_s]) => past_s >= length_s)
  if (!step) return null
  return new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(
    -Math.floor(past_s / step[1]),
    step[0],
  )
}

export function exact(at: Date, locale: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium' }).format(at)
}

/** The date alone, for what is far enough away. */
export function day(at: Date, locale: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: 'medium' }).format(at)
}

export function clock(at: Date, locale: string): string {
  return new Intl.DateTimeFormat(locale, { timeStyle: 'medium' }).format(at)
}

const ticking = ref(Date.now())
setInterval(() => (ticking.value = Date.now()), 15_000)

/** The present, one clock for the whole page, moved on every 15 seconds. */
export const now_ms = readonly(ticking)
